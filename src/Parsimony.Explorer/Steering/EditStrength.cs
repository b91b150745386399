using Parsimony.Explorer.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Steering;

/// <summary>How hard edits push: what they change of the layer's output against what it is. Above about half of it a model tends to lose its language.</summary>
internal static class EditStrength
{
    /// <summary>A share above which a reader is warned.</summary>
    public const double Much = 0.5;

    /// <summary>Mean length of the change over mean length of the activation, on the tokens of a text; 0: nothing is changed.</summary>
    /// <param name="bench">Model and SAE; call on the model's thread.</param>
    /// <param name="edits">The edits.</param>
    /// <param name="ids">Token ids of the text.</param>
    public static double Of(Workbench bench, FeatureEdits edits, int[] ids)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var edited = bench.Edited(edits);
        if (edited.Tap() is not { } tap) return 0;
        var m = bench.Model.Activations(bench.At, tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0)); // [1, seq, d_model]
        var change = tap(bench.At, m) - m;
        return (change.norm(-1).mean() / m.norm(-1).mean().clamp_min(1e-12)).item<float>();
    }
}
