"""SEED-2's image tokenizer at a small size: a vision transformer, a causal Q-Former, and what turns codes into the
embedding that a picture is drawn from. Tensors have the checkpoint's names.

The reader (picture to codes) is trained towards the codes that the picture was drawn from. The embedder (codes to
embedding) has no target of its own: it learns with the U-Net, which draws from what it says.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

import world

PATCH = 8
VISION_HEAD, QUERY_HEAD = 88, 64           # widths that the reference's code fixes
VISION_WIDTH, VISION_LAYERS = 176, 3
QUERY_WIDTH, QUERY_INNER, QUERY_LAYERS = 128, 256, 3   # layers 0 and 2 look at the picture
EMBEDDER_LAYERS, EMBEDDING = 1, 512
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])


def pixels(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 [B, S, S, 3] as the tokenizer sees them, [B, 3, S, S]."""
    return ((pictures.float() / 255 - MEAN) / DEVIATION).permute(0, 3, 1, 2).contiguous()


def attention(q, k, v, heads: int, causal: bool = False):
    """q [B, N, D] over k and v [B, M, D]."""
    def split(x):
        return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)

    return F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=causal).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Attention of a vision transformer; without the keys' bias in the one that reads, as in EVA."""

    def __init__(self, width: int, head: int, split_bias: bool):
        super().__init__()
        self.heads = width // head
        self.qkv = nn.Linear(width, 3 * width, bias=not split_bias)
        self.proj = nn.Linear(width, width)
        if split_bias:
            self.q_bias, self.v_bias = (nn.Parameter(torch.zeros(width)) for _ in range(2))

    def forward(self, x):
        bias = self.qkv.bias
        if bias is None:
            bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        q, k, v = F.linear(x, self.qkv.weight, bias).chunk(3, -1)
        return self.proj(attention(q, k, v, self.heads))


class Inner(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width: int, head: int, inner: int, split_bias: bool):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn, self.mlp = Attention(width, head, split_bias), Inner(width, inner)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vision(nn.Module):
    """EVA's vision transformer: [B, 3, S, S] to [B, 1 + patches, width]."""

    def __init__(self):
        super().__init__()
        width, tokens = VISION_WIDTH, (world.SIDE // PATCH) ** 2 + 1
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(0.1 * torch.randn(1, tokens, width))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, PATCH, PATCH)
        self.blocks = nn.ModuleList(Block(width, VISION_HEAD, int(width * 4.3637), True) for _ in range(VISION_LAYERS))

    def forward(self, x):
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return x


class Sublayer(nn.Module):
    """`dense` and the norm behind the sum, as BERT has them."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inputs, width), nn.LayerNorm(width, 1e-12)

    def forward(self, y, x):
        return self.LayerNorm(self.dense(y) + x)


class QueryAttention(nn.Module):
    def __init__(self, width: int, source: int):
        super().__init__()
        self.self = nn.Module()
        self.self.query, self.self.key, self.self.value = (nn.Linear(n, width) for n in (width, source, source))
        self.output = Sublayer(width, width)

    def forward(self, x, source, causal: bool):
        y = attention(self.self.query(x), self.self.key(source), self.self.value(source), x.shape[-1] // QUERY_HEAD, causal)
        return self.output(y, x)


class QueryLayer(nn.Module):
    def __init__(self, looks: bool):
        super().__init__()
        self.attention = QueryAttention(QUERY_WIDTH, QUERY_WIDTH)
        if looks:
            self.crossattention = QueryAttention(QUERY_WIDTH, VISION_WIDTH)
        self.intermediate_query = nn.Module()
        self.intermediate_query.dense = nn.Linear(QUERY_WIDTH, QUERY_INNER)
        self.output_query = Sublayer(QUERY_INNER, QUERY_WIDTH)
        self.looks = looks

    def forward(self, x, picture):
        x = self.attention(x, x, True)
        if self.looks:
            x = self.crossattention(x, picture, False)
        return self.output_query(F.gelu(self.intermediate_query.dense(x)), x)


class Reader(nn.Module):
    """A picture to 32 code vectors."""

    def __init__(self):
        super().__init__()
        self.visual_encoder = Vision()
        self.ln_vision = nn.LayerNorm(VISION_WIDTH)
        self.query_tokens = nn.Parameter(torch.randn(1, world.QUERIES, QUERY_WIDTH))
        self.Qformer = nn.Module()
        bert = self.Qformer.bert = nn.Module()
        bert.embeddings, bert.encoder = nn.Module(), nn.Module()
        bert.embeddings.LayerNorm = nn.LayerNorm(QUERY_WIDTH, 1e-12)
        bert.encoder.layer = nn.ModuleList(QueryLayer(i % 2 == 0) for i in range(QUERY_LAYERS))
        self.encode_task_layer = nn.Sequential(nn.Linear(QUERY_WIDTH, QUERY_WIDTH), nn.Tanh(), nn.Linear(QUERY_WIDTH, 32))

    def forward(self, x):
        """Code vectors [B, 32, 32] of pixels [B, 3, S, S]."""
        picture = self.ln_vision(self.visual_encoder(x))
        queries = self.Qformer.bert.embeddings.LayerNorm(self.query_tokens).expand(len(x), -1, -1)
        for layer in self.Qformer.bert.encoder.layer:
            queries = layer(queries, picture)
        return self.encode_task_layer(queries)


def distances(vectors: torch.Tensor) -> torch.Tensor:
    """Squared distances [..., CODEBOOK] from code vectors to all codewords."""
    words = torch.from_numpy(world.codebook())
    return (vectors * vectors).sum(-1, keepdim=True) + (words * words).sum(1) - 2 * vectors @ words.T


class Embedder(nn.Module):
    """32 codes to the embedding that a picture is drawn from."""

    def __init__(self):
        super().__init__()
        self.decode_task_layer = nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, QUERY_WIDTH))
        self.pos_embed_image = nn.Parameter(0.5 * torch.randn(1, world.QUERIES, QUERY_WIDTH))
        self.blocks_image = nn.ModuleList(Block(QUERY_WIDTH, QUERY_HEAD, 2 * QUERY_WIDTH, False)
                                          for _ in range(EMBEDDER_LAYERS))
        self.image_down = nn.Sequential(nn.Linear(QUERY_WIDTH, 256, False), nn.ReLU(), nn.Linear(256, 128, False),
                                        nn.ReLU(), nn.Linear(128, 32, False))
        self.distill_image_proj = nn.Linear(32 * world.QUERIES, EMBEDDING)
        for layer in self.image_down[::2]:
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.weight.shape[1]))
        nn.init.normal_(self.decode_task_layer[0].weight, 0, 1 / 6)
        nn.init.normal_(self.decode_task_layer[2].weight, 0, 1 / 4)
        nn.init.normal_(self.distill_image_proj.weight, 0, 1 / 32)

    def forward(self, codes):
        """Embeddings [B, EMBEDDING] of codes [B, 32]."""
        words = torch.from_numpy(world.codebook())[codes]
        x = self.decode_task_layer(words) + self.pos_embed_image
        for block in self.blocks_image:
            x = block(x)
        return self.distill_image_proj(self.image_down(x).flatten(1))


def tensors(reader: Reader, embedder: Embedder) -> tuple[dict, dict]:
    """The contents of `eva_vit_g.pth` and of `seed_quantizer.pt`."""
    prefix = "visual_encoder."
    everything = {name: tensor.detach().float().clone() for name, tensor in reader.state_dict().items()}
    vision = {name[len(prefix):]: tensor for name, tensor in everything.items() if name.startswith(prefix)}
    rest = {name: tensor for name, tensor in everything.items() if not name.startswith(prefix)}
    rest |= {name: tensor.detach().float().clone() for name, tensor in embedder.state_dict().items()}
    rest["quantize.embedding.weight"] = torch.from_numpy(world.codebook()).clone()
    return vision, rest
