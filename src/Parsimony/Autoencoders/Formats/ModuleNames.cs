using System.Globalization;
using System.Text.RegularExpressions;
using Parsimony.Models;

namespace Parsimony.Autoencoders.Formats;

/// <summary>Hook points as others name them: the module whose output it is (sparsify), or a site and a layer (dictionary_learning).</summary>
internal static partial class ModuleNames
{
    /// <summary>The hook point of a module's output: <c>layers.3</c>, <c>gpt_neox.layers.3.mlp</c>, <c>h.3.attn</c>; null where it is none here.</summary>
    public static HookPoint? Hook(string module)
    {
        if (ModulePath().Match(module) is not { Success: true } match || Layer(match) is not { } layer) return null;
        return match.Groups["rest"].Value switch
        {
            "" => new HookPoint(layer, HookSite.ResidPost),
            "mlp" or "mlp.dense_4h_to_h" => new HookPoint(layer, HookSite.MlpOut),
            "mlp.dense_h_to_4h" => new HookPoint(layer, HookSite.MlpPre),
            "input_layernorm" => new HookPoint(layer, HookSite.AttnIn),
            "attention.query_key_value" => new HookPoint(layer, HookSite.AttnQkv),
            "post_attention_layernorm" => new HookPoint(layer, HookSite.MlpIn),
            "mlp.act" => new HookPoint(layer, HookSite.MlpPost),
            "attention" or "attn" or "self_attn" => new HookPoint(layer, HookSite.AttnOut),
            _ => null,
        };
    }

    /// <summary>The module of a GPT-NeoX, relative to the base model, whose output a hook point is.</summary>
    /// <exception cref="NotSupportedException">It is no module's output.</exception>
    public static string Module(HookPoint at) => at.Site switch
    {
        HookSite.ResidPre => at.Layer == 0 ? "embed_in" : $"layers.{at.Layer - 1}",
        HookSite.ResidPost => $"layers.{at.Layer}",
        HookSite.AttnIn => $"layers.{at.Layer}.input_layernorm",
        HookSite.AttnQkv => $"layers.{at.Layer}.attention.query_key_value",
        HookSite.AttnZ => throw new NotSupportedException($"sparsify names a hook by the module whose output it is; {at} is the output of none. Use another format."),
        HookSite.MlpIn => $"layers.{at.Layer}.post_attention_layernorm",
        HookSite.AttnOut => $"layers.{at.Layer}.attention",
        HookSite.MlpPre => $"layers.{at.Layer}.mlp.dense_h_to_4h",
        HookSite.MlpPost => $"layers.{at.Layer}.mlp.act",
        _ => $"layers.{at.Layer}.mlp",
    };

    /// <summary>The hook point of a dictionary_learning submodule: <c>resid_post_layer_3</c>, <c>mlp_out_layer3</c>; null where it is none here.</summary>
    public static HookPoint? OfSubmodule(string submodule)
    {
        if (Submodule().Match(submodule) is not { Success: true } match || Layer(match) is not { } layer) return null;
        string site = match.Groups["site"].Value is "resid_out" ? "resid_post" : match.Groups["site"].Value;
        return HookPoint.ParseOrNull($"blocks.{layer}.{site}");
    }

    private static int? Layer(Match match) =>
        int.TryParse(match.Groups["layer"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : null;

    [GeneratedRegex(@"^(?:[\w.]*\.)?(?:layers|h)\.(?<layer>\d+)(?:\.(?<rest>[\w.]+))?$")]
    private static partial Regex ModulePath();

    [GeneratedRegex(@"^(?<site>[a-z_]+?)_layer_?(?<layer>\d+)$")]
    private static partial Regex Submodule();
}
