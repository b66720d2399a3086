"""Folders of tiny models with random weights, as transformers and sentence-transformers write them, one of each kind.

`BUILDERS` has, by name, a function that writes such a folder; the fixture ``tiny_model`` calls each once.
"""

import json

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "a small quiet cat sleeps on the warm roof",
    "the old black dog runs in the rainy yard",
    "two happy birds sing; white snow falls at night",
    "naïve café, 42 red apples and a green bicycle!",
]
SIZE = 32  # pixels
LENGTH = 24  # tokens
TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.3,  # so that outputs differ from one input to the other
}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
OF_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
ALWAYS = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}


def save_model(folder, class_name, config_name, **settings):
    """Write a model of random weights, the same each time."""
    import transformers

    config = getattr(transformers, config_name)(**settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, class_name)(config).save_pretrained(folder)


def write_json(folder, name, content):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2), "utf-8")


def save_tokenizer(folder, tokenizer, trainer, template, **specials):
    """Train a tokenizer on `TEXTS`, if there is a trainer, and write it; ``template`` is where special tokens go."""
    from transformers import PreTrainedTokenizerFast

    if trainer is not None:
        tokenizer.train_from_iterator(TEXTS, trainer)
    around = [(token, tokenizer.token_to_id(token)) for token in template.split() if token != "$A"]
    pair = template.replace("$A", "$A $B")
    tokenizer.post_processor = processors.TemplateProcessing(single=template, pair=pair, special_tokens=around)
    saved = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=LENGTH, **specials)
    saved.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def word_pieces(folder):
    """Write the tokenizer of BERT: word pieces in lower case, without accents."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # A trainer gives pieces other ids in each process.
    lines = [tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)) for text in TEXTS]
    words = {word for line in lines for word, _ in line}
    letters = {letter for word in words for letter in word}
    ends = {word[-n:] for word in words for n in (2, 3)}
    pieces = words | letters | {f"##{piece}" for piece in letters | ends}
    vocabulary = {piece: place for place, piece in enumerate([*specials, *sorted(pieces)])}
    tokenizer.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    return save_tokenizer(folder, tokenizer, None, "[CLS] $A [SEP]", **dict(zip(names, specials, strict=True)))


def byte_pairs(folder):
    """Write the tokenizer of RoBERTa: byte pairs, whose padding has the id 1."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    names = ["bos_token", "pad_token", "eos_token", "unk_token", "mask_token"]
    names = dict(zip(names, specials, strict=True))
    return save_tokenizer(folder, tokenizer, trainer, "<s> $A </s>", **names, cls_token="<s>", sep_token="</s>")


def words_of_clip(folder):
    """Write the tokenizer of CLIP: byte pairs that end in </w>, padded with the token that ends a text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    specials = ["<|startoftext|>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=160, special_tokens=specials, end_of_word_suffix="</w>", show_progress=False
    )
    start, end = specials
    return save_tokenizer(
        folder, tokenizer, trainer, f"{start} $A {end}", bos_token=start, eos_token=end, unk_token=end, pad_token=end
    )


def sentence_pieces(folder, pad_token="<pad>"):
    """Write the tokenizer of T5 and SigLIP: sentence pieces, ended by </s>."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=specials, unk_token="<unk>", show_progress=False)
    return save_tokenizer(
        folder, tokenizer, trainer, "$A </s>", pad_token=pad_token, eos_token="</s>", unk_token="<unk>"
    )


def word_pairs(folder):
    """Write a tokenizer of pairs of letters, ended by </s>, which is the same each time."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    specials = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=160, special_tokens=specials, show_progress=False)
    names = dict(zip(["pad_token", "eos_token", "unk_token"], specials, strict=True))
    return save_tokenizer(folder, tokenizer, trainer, "$A </s>", **names)


def bert(folder, **settings):
    settings = {**TRANSFORMER, "vocab_size": word_pieces(folder), "max_position_embeddings": LENGTH, **settings}
    save_model(folder, "BertModel", "BertConfig", **settings)


def sentence_bert(folder):
    """A folder of sentence-transformers: mean of the tokens, of length 1."""
    bert(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder, "modules.json", modules)
    write_json(folder, "sentence_bert_config.json", {"max_seq_length": LENGTH, "do_lower_case": False})
    pooling = {"word_embedding_dimension": TRANSFORMER["hidden_size"], "pooling_mode_mean_tokens": True}
    others = ["cls_token", "max_tokens", "mean_sqrt_len_tokens"]
    write_json(folder, "1_Pooling/config.json", {**pooling, **{f"pooling_mode_{name}": False for name in others}})
    (folder / "2_Normalize").mkdir()


def roberta(folder):
    settings = {**TRANSFORMER, "vocab_size": byte_pairs(folder), "max_position_embeddings": LENGTH + 2}
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "type_vocab_size": 1}
    save_model(folder, "RobertaModel", "RobertaConfig", **settings, **ids)


def distilbert(folder):
    settings = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "initializer_range": 0.3}
    n_tokens = word_pieces(folder)
    save_model(
        folder, "DistilBertModel", "DistilBertConfig", vocab_size=n_tokens, max_position_embeddings=LENGTH, **settings
    )


def vit(folder):
    save_model(folder, "ViTModel", "ViTConfig", image_size=SIZE, patch_size=8, **TRANSFORMER)
    size = {"height": SIZE, "width": SIZE}
    reading = {**ALWAYS, **HALVES, "image_processor_type": "ViTImageProcessor", "resample": 2, "size": size}
    write_json(folder, "preprocessor_config.json", reading)


def dinov2(folder):
    settings = {name: value for name, value in TRANSFORMER.items() if name != "intermediate_size"}
    save_model(folder, "Dinov2Model", "Dinov2Config", image_size=SIZE, patch_size=8, mlp_ratio=2, **settings)
    crop = {"do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "do_convert_rgb": True}
    reading = {**ALWAYS, **IMAGENET, "image_processor_type": "BitImageProcessor", "resample": 3}
    write_json(folder, "preprocessor_config.json", {**reading, **crop, "size": {"shortest_edge": SIZE + 4}})


def convnext(folder):
    settings = {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 2, 1], "initializer_range": 0.3}
    save_model(folder, "ConvNextModel", "ConvNextConfig", image_size=SIZE, num_channels=3, **settings)
    reading = {**ALWAYS, **IMAGENET, "image_processor_type": "ConvNextImageProcessor", "resample": 3}
    write_json(folder, "preprocessor_config.json", {**reading, "size": {"shortest_edge": SIZE}, "crop_pct": 0.875})


def clip(folder):
    # initializer_range is not what CLIP draws its weights with: initializer_factor is
    tower = {name: value for name, value in TRANSFORMER.items() if name != "initializer_range"}
    n_tokens = words_of_clip(folder)
    text = {"vocab_size": n_tokens, "max_position_embeddings": LENGTH, "bos_token_id": 0, "eos_token_id": 1}
    image = {"image_size": SIZE, "patch_size": 8}
    towers = {"text_config": {**tower, **text, "pad_token_id": 1}, "vision_config": {**tower, **image}}
    save_model(folder, "CLIPModel", "CLIPConfig", projection_dim=12, **towers)
    crop = {"do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "do_convert_rgb": True}
    reading = {**ALWAYS, **OF_CLIP, "image_processor_type": "CLIPImageProcessor", "resample": 3}
    write_json(folder, "preprocessor_config.json", {**reading, **crop, "size": {"shortest_edge": SIZE}})


def siglip(folder):
    tower = {name: value for name, value in TRANSFORMER.items() if name != "initializer_range"}
    n_tokens = sentence_pieces(folder, pad_token="</s>")
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1}
    text = {"vocab_size": n_tokens, "max_position_embeddings": LENGTH, "projection_size": 16, **ids}
    towers = {
        "text_config": {**tower, **text},
        "vision_config": {**tower, "image_size": SIZE, "patch_size": 8},
    }
    save_model(folder, "SiglipModel", "SiglipConfig", **towers)
    size = {"height": SIZE, "width": SIZE}
    reading = {**ALWAYS, **HALVES, "image_processor_type": "SiglipImageProcessor", "resample": 3, "size": size}
    write_json(folder, "preprocessor_config.json", reading)


def whisper(folder):
    """An encoder of one second, with the decoder that such checkpoints have."""
    from transformers import WhisperFeatureExtractor

    layers = {"encoder_layers": 3, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "d_model": 16, "init_std": 0.3}
    ids = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1)
    lengths = {"num_mel_bins": 20, "max_source_positions": 50, "max_target_positions": LENGTH, "vocab_size": 30}
    settings = {**layers, **heads, **ids, **lengths, "suppress_tokens": None, "begin_suppress_tokens": None}
    save_model(folder, "WhisperForConditionalGeneration", "WhisperConfig", **settings)
    WhisperFeatureExtractor(feature_size=20, chunk_length=1).save_pretrained(folder)


def speech(folder):
    """Whisper's layers, with texts to write."""
    from transformers import WhisperFeatureExtractor

    layers = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "init_std": 0.5}
    ids = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    lengths = {"num_mel_bins": 20, "max_source_positions": 50, "max_target_positions": LENGTH}
    settings = {**layers, **heads, **ids, **lengths, "suppress_tokens": None, "begin_suppress_tokens": None}
    save_model(folder, "WhisperForConditionalGeneration", "WhisperConfig", **settings, vocab_size=word_pairs(folder))
    WhisperFeatureExtractor(feature_size=20, chunk_length=1).save_pretrained(folder)


def wav2vec2(folder):
    from transformers import Wav2Vec2FeatureExtractor

    convolutions = {"conv_dim": (8, 8, 16), "conv_kernel": (10, 8, 4), "conv_stride": (5, 8, 4)}
    positions = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "num_feat_extract_layers": 3}
    save_model(folder, "Wav2Vec2Model", "Wav2Vec2Config", **TRANSFORMER, **convolutions, **positions, vocab_size=30)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def t5_encoder(folder):
    """The encoder alone, as T5EncoderModel saves it."""
    settings = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 3, "num_heads": 2}
    save_model(folder, "T5EncoderModel", "T5Config", vocab_size=sentence_pieces(folder), **settings)


def t5(folder):
    settings = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 2}
    ids = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
    settings = {**settings, **ids, "initializer_factor": 3.0, "tie_word_embeddings": True}
    save_model(folder, "T5ForConditionalGeneration", "T5Config", vocab_size=word_pairs(folder), **settings)


def marian(folder):
    """Which must not write padding, by its generation_config.json."""
    from transformers import GenerationConfig

    layers = {"encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "init_std": 0.5}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "forced_eos_token_id": None}
    settings = {**layers, **heads, **ids, "max_position_embeddings": LENGTH}
    save_model(folder, "MarianMTModel", "MarianConfig", vocab_size=word_pairs(folder), **settings)
    ids = {**ids, "bad_words_ids": [[0]], "num_beams": 4}
    GenerationConfig(**ids).save_pretrained(folder)


def vision_encoder_decoder(folder):
    """ViT and BERT of other widths, as one model."""
    import transformers

    n_tokens = word_pieces(folder)
    vit(folder)
    encoder = transformers.ViTConfig(image_size=SIZE, patch_size=8, **TRANSFORMER)
    written = {**TRANSFORMER, "hidden_size": 24, "num_hidden_layers": 2, "max_position_embeddings": LENGTH}
    decoder = transformers.BertConfig(vocab_size=n_tokens, is_decoder=True, add_cross_attention=True, **written)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = 2, 3, 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.VisionEncoderDecoderModel(config).save_pretrained(folder)


def blip(folder):
    """The captioning one."""
    tower = {**TRANSFORMER, "num_hidden_layers": 2}
    ids = {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    text = {"vocab_size": word_pieces(folder), "max_position_embeddings": LENGTH, "encoder_hidden_size": 16, **ids}
    towers = {"text_config": {**tower, **text}, "vision_config": {**tower, "image_size": SIZE, "patch_size": 8}}
    save_model(folder, "BlipForConditionalGeneration", "BlipConfig", **towers)
    size = {"height": SIZE, "width": SIZE}
    reading = {**ALWAYS, **OF_CLIP, "image_processor_type": "BlipImageProcessor", "resample": 3, "size": size}
    write_json(folder, "preprocessor_config.json", reading)


BUILDERS = {
    "bert": bert,
    "blip": blip,
    "clip": clip,
    "convnext": convnext,
    "dinov2": dinov2,
    "distilbert": distilbert,
    "marian": marian,
    "roberta": roberta,
    "sentence_bert": sentence_bert,
    "siglip": siglip,
    "t5": t5,
    "t5_encoder": t5_encoder,
    "vision_encoder_decoder": vision_encoder_decoder,
    "speech": speech,
    "vit": vit,
    "wav2vec2": wav2vec2,
    "whisper": whisper,
}
