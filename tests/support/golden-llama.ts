/**
 * Python: the model of tests/golden/xverse as transformers' Llama, in float64 throughout. `golden_llama(kind, golden, weights, **more)`
 * gives it as `kind` (LlamaForCausalLM, …), with the weights as `weights` changes them. For programs that import torch.
 */
export const GOLDEN_LLAMA = `
from transformers import LlamaConfig
from transformers.models.llama import modeling_llama
from safetensors.torch import load_file

# Llama's own norm and angles are of float32, which would hide what float64 is to show.
class Angles(torch.nn.Module):
    def forward(self, x, position_ids):
        half = torch.arange(0, 16, 2, dtype=torch.float64) / 16
        angle = position_ids.double()[..., None] * (1 / 10000 ** half)
        both = torch.cat([angle, angle], -1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)
def norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))
modeling_llama.LlamaRMSNorm.forward = norm

def golden_llama(kind, golden, weights=lambda given: given, **more):
    told = json.load(open(golden + 'xverse/config.json'))
    keys = ('vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads', 'rms_norm_eps')
    model = kind(LlamaConfig(**{key: told[key] for key in keys}, tie_word_embeddings=False, **more))
    model.load_state_dict(weights(load_file(golden + 'xverse/model.safetensors')))
    model.model.rotary_emb = Angles()
    return model
`;
