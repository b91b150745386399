namespace Parsimony.FineTuning.Baselines;

/// <summary>A linear map of a layer; each has its input and its output at the model's seam.</summary>
public enum LinearTarget
{
    /// <summary>Queries, keys and values: <c>attn_in</c> to <c>attn_qkv</c>. GPT-NeoX: <c>query_key_value</c>, GPT-2: <c>c_attn</c>, Llama: <c>q_proj</c>, <c>k_proj</c> and <c>v_proj</c> as one.</summary>
    Qkv,
    /// <summary>The output of attention: <c>attn_z</c> to <c>attn_out</c>. <c>attention.dense</c>, <c>attn.c_proj</c>, <c>o_proj</c>.</summary>
    AttnOut,
    /// <summary>Into the MLP: <c>mlp_in</c> to <c>mlp_pre</c>. <c>dense_h_to_4h</c>, <c>c_fc</c>; of a gated MLP the gate, <c>gate_proj</c>: the second branch's output is not at the seam.</summary>
    MlpUp,
    /// <summary>Out of the MLP: <c>mlp_post</c> to <c>mlp_out</c>. <c>dense_4h_to_h</c>, <c>mlp.c_proj</c>, <c>down_proj</c>.</summary>
    MlpDown,
}
