using System.Globalization;
using System.Text.Json.Serialization;

namespace Parsimony.Models;

/// <summary>Where inside a layer a hook sits, in the order the data flows.</summary>
public enum HookSite
{
    /// <summary>The residual stream as it enters the layer, <c>[batch, seq, d_model]</c>.</summary>
    ResidPre,
    /// <summary>What attention reads: the residual stream after the norm in front of it, gain and bias included, <c>[batch, seq, d_model]</c>.</summary>
    AttnIn,
    /// <summary>Queries, keys and values before they are rotated, <c>[batch, seq, (n_heads + 2 n_kv_heads) d_head]</c>, in the order of the model's own
    /// rows: head by head, each head's query, key and value in turn (GPT-NeoX), or all queries, all keys, all values (the others).</summary>
    AttnQkv,
    /// <summary>The values that attention has mixed, head after head, before the output projection, <c>[batch, seq, n_heads d_head]</c>.</summary>
    AttnZ,
    /// <summary>The attention block's output before it is added to the residual stream, <c>[batch, seq, d_model]</c>.</summary>
    AttnOut,
    /// <summary>What the MLP reads: the residual stream after the layer norm in front of it, gain and bias included, <c>[batch, seq, d_model]</c>.
    /// A transcoder's input.</summary>
    MlpIn,
    /// <summary>The MLP before its nonlinearity (<c>mlp.dense_h_to_4h</c>), <c>[batch, seq, d_mlp]</c>.</summary>
    MlpPre,
    /// <summary>The MLP after its nonlinearity, <c>[batch, seq, d_mlp]</c>.</summary>
    MlpPost,
    /// <summary>The MLP's output (<c>mlp.dense_4h_to_h</c>) before it is added to the residual stream, <c>[batch, seq, d_model]</c>.
    /// The article's site, which it calls "MLP-post".</summary>
    MlpOut,
    /// <summary>The residual stream as it leaves the layer, <c>[batch, seq, d_model]</c>.</summary>
    ResidPost,
}

/// <summary>One place in the model where a <see cref="Tap"/> may read or replace the activation: <c>blocks.&lt;layer&gt;.&lt;site&gt;</c>.</summary>
/// <param name="Layer">Layer, 0-based.</param>
/// <param name="Site">Place inside the layer.</param>
[JsonConverter(typeof(HookPointJson))]
public readonly record struct HookPoint(int Layer, HookSite Site)
{
    private static readonly (HookSite Site, string Name, string TransformerLens)[] Names =
    [
        (HookSite.ResidPre, "resid_pre", "hook_resid_pre"),
        (HookSite.AttnIn, "attn_in", "ln1.hook_normalized"),
        (HookSite.AttnQkv, "attn_qkv", "attn.hook_qkv"), // TransformerLens has hook_q, hook_k and hook_v apart
        (HookSite.AttnZ, "attn_z", "attn.hook_z"),
        (HookSite.AttnOut, "attn_out", "hook_attn_out"),
        (HookSite.MlpIn, "mlp_in", "mlp.hook_in"),
        (HookSite.MlpPre, "mlp_pre", "mlp.hook_pre"),
        (HookSite.MlpPost, "mlp_post", "mlp.hook_post"),
        (HookSite.MlpOut, "mlp_out", "hook_mlp_out"),
        (HookSite.ResidPost, "resid_post", "hook_resid_post"),
    ];

    /// <summary>The same point under the name TransformerLens and SAELens use, such as <c>blocks.1.hook_mlp_out</c>.</summary>
    public string TransformerLensName => $"blocks.{Layer}.{Names[(int)Site].TransformerLens}";

    /// <summary>Reads <c>blocks.1.mlp_out</c>, or TransformerLens' <c>blocks.1.hook_mlp_out</c>.</summary>
    /// <exception cref="FormatException">The text is not a hook point; the message lists what is.</exception>
    public static HookPoint Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return ParseOrNull(text) ?? throw new FormatException($"'{text}' is not a hook point. Write blocks.<layer>.<site>; sites: "
            + string.Join(", ", Names.Select(n => n.Name)) + ".");
    }

    /// <summary>As <see cref="Parse"/>; null where the text is not a hook point.</summary>
    public static HookPoint? ParseOrNull(string? text)
    {
        if (text?.Split('.', 3) is ["blocks", var layer, var site]
            && int.TryParse(layer, NumberStyles.None, CultureInfo.InvariantCulture, out int index))
            foreach (var name in Names)
                if (site == name.Name || site == name.TransformerLens)
                    return new HookPoint(index, name.Site);
        return null;
    }

    /// <summary>The name of the point, such as <c>blocks.1.mlp_out</c>.</summary>
    public override string ToString() => $"blocks.{Layer}.{Names[(int)Site].Name}";
}
