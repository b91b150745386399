using System.Diagnostics;
using Parsimony.Bench;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Cli.Runs;

/// <summary>How fast a model runs here: seconds that a token takes, from one layer and a few logits.</summary>
/// <param name="Layer">In one layer, among many others.</param>
/// <param name="Logits">Its logits, among a few others.</param>
/// <param name="NewTokens">One new token of each sequence that is written at once, through all layers to its logits; 0 where that was not asked for.</param>
/// <param name="Others">Share of all cores' time that other processes took meanwhile; null where the system does not say.</param>
internal sealed record LayerRates(double Layer, double Logits, double NewTokens, double? Others)
{
    /// <summary>What they are measured on, for people.</summary>
    public const string MeasuredOn = "one layer of the model, counted as often as layers run, and a few logits";

    private const int MeasuredTokens = 256, MeasuredLogits = 32;

    /// <summary>Measures them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="writing">Sequences that are written at once; 0: none.</param>
    public static LayerRates Of(Transformer model, int writing = 0)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var load = new ForeignLoad();
        int length = Math.Min(128, model.Config.MaxSequenceLength), rows = Math.Max(1, MeasuredTokens / length);
        double layer = Layers(rows, length, out var entering) / (rows * length);
        var some = entering.view(-1, model.Config.DModel).narrow(0, 0, Math.Min(MeasuredLogits, rows * length));
        double logits = Seconds(() => model.Unembed(some)) / some.size(0);
        double newTokens = writing == 0 ? 0 : model.Config.NLayers * Layers(writing, 1, out var last) + Seconds(() => model.Unembed(last));
        return new(layer, logits, newTokens, load.Share() is var share && double.IsNaN(share) ? null : Math.Round(share, 2));

        double Layers(int batch, int tokens, out Tensor entering)
        {
            var ids = arange(batch * tokens, ScalarType.Int64).remainder(model.Config.DVocab).view(batch, tokens); // all different: only the first layer saves on repeated ones
            var state = model.RunTo(new HookPoint(0, HookSite.ResidPre), ids);
            entering = state.Activation;
            return Seconds(() => model.RunTo(new HookPoint(0, HookSite.ResidPost), state).Activation);
        }
    }

    private static double Seconds(Func<Tensor> run)
    {
        run().Dispose(); // reads the weights
        var clock = Stopwatch.StartNew();
        run().Dispose();
        return clock.Elapsed.TotalSeconds;
    }
}
