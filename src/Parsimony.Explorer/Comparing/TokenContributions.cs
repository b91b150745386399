using Parsimony.Explorer.Model;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Explorer.Comparing;

/// <summary>What one latent's edit adds to a token's logit.</summary>
/// <param name="Latent">Index of the latent.</param>
/// <param name="Value">Its contribution, in units of the logit.</param>
internal sealed record LatentContribution(int Latent, double Value);

/// <summary>
/// Which latents' edits made a token likelier or less likely: to first order, latent j adds the sum over the tokens before it of
/// <c>(f_tuned - f_rest)_j W_dec[j] . d logit / d m</c>. The gradient is taken half-way between the activation m at rest and the tuned one (midpoint rule), so that what is missing is of third
/// order in the change; the sum over all latents beside the true change says how much that is.
/// </summary>
internal sealed record TokenContributions
{
    private const int AtATime = 64; // tokens whose latents are in memory together

    /// <summary>The token's logit with the edits at this hook point at rest, on the same text.</summary>
    public required double RestLogit { get; init; }

    /// <summary>The same with them.</summary>
    public required double TunedLogit { get; init; }

    /// <summary>ln p of the token with the edits at rest, nats.</summary>
    public required double RestLogProb { get; init; }

    /// <summary>The same with them.</summary>
    public required double TunedLogProb { get; init; }

    /// <summary>Sum of the contributions of all latents.</summary>
    public required double Sum { get; init; }

    /// <summary>Those of the largest size, largest first.</summary>
    public required IReadOnlyList<LatentContribution> Largest { get; init; }

    /// <summary>Latents that contribute at all.</summary>
    public required int Contributing { get; init; }

    /// <summary>What the logit really changed by.</summary>
    public double Change => TunedLogit - RestLogit;

    /// <summary>|sum - change| / |change|; 0 where nothing changed.</summary>
    public double Error => Change == 0 ? Math.Abs(Sum) : Math.Abs(Sum - Change) / Math.Abs(Change);

    /// <summary>Finds them: three passes over the text, one of them backward too. On the model's thread.</summary>
    /// <param name="bench">The model.</param>
    /// <param name="edits">What is done on the tuned side; clamps are left out.</param>
    /// <param name="text">The tokens before the one that is asked about, one or more.</param>
    /// <param name="promptTokens">How many of them are the prompt's.</param>
    /// <param name="token">The token that is asked about.</param>
    /// <param name="most">Latents to list at most.</param>
    public static TokenContributions Of(Workbench bench, FeatureEdits edits, int[] text, int promptTokens, int token, int most = 12)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using var edited = bench.Edited(edits with { ByHand = edits.ByHand.Where(e => e.Value.Clamp is null).ToDictionary() });
        var (c, d) = bench.Dials(edits);
        var (sae, at, options) = (bench.Sae, bench.At, edits.Adapter is { } name ? bench.Adapter(name).Dials.Options : new DialOptions());
        var (scale, shift) = (tensor(c, device: sae.WDec.device), tensor(d, device: sae.WDec.device));
        var (from, to) = options.Positions switch
        {
            TokenPositions.Prompt => (0, promptTokens),
            TokenPositions.Response => (promptTokens, text.Length),
            _ => (0, text.Length),
        };
        var others = edited.Tap(promptTokens, text.Length);
        var state = bench.Model.RunTo(at, tensor(text.Select(id => (long)id).ToArray()).unsqueeze(0), others);
        var m = state.Activation[0];                                                        // [seq, d_model]
        var atRest = options.Mode is SpliceMode.Replace ? sae.Reconstruct(m) : m;
        var change = zeros_like(atRest);
        Chunks((start, f) => change.narrow(0, start, f.size(0)).add_(f.matmul(sae.WDec)));

        var (restLogit, restLogProb, _) = Logit(atRest, false);
        var (tunedLogit, tunedLogProb, _) = Logit(atRest + change, false);
        var slope = Logit(atRest + change / 2, true).Slope;                                 // [seq, d_model]
        var sums = zeros(sae.DSae, device: sae.WDec.device);
        if (slope is not null) Chunks((start, f) => sums.add_((f * slope.narrow(0, start, f.size(0)).matmul(sae.WDec.t())).sum([0L])));

        float[] all = sums.cpu().data<float>().ToArray();
        return new TokenContributions
        {
            RestLogit = restLogit,
            TunedLogit = tunedLogit,
            RestLogProb = restLogProb,
            TunedLogProb = tunedLogProb,
            Sum = all.Sum(v => (double)v),
            Contributing = all.Count(v => v != 0),
            Largest = [.. Enumerable.Range(0, all.Length).Where(i => all[i] != 0).OrderByDescending(i => Math.Abs(all[i])).Take(most).Select(i => new LatentContribution(i, all[i]))],
        };

        // f_tuned - f_rest, [tokens, d_sae], some tokens at a time.
        void Chunks(Action<int, Tensor> each)
        {
            for (int start = from; start < to; start += AtATime)
            {
                using var inner = NewDisposeScope();
                var z = sae.PreActivations(m.narrow(0, start, Math.Min(AtATime, to - start)));
                each(start, sae.Activate(z * scale + shift) - sae.Activate(z));
            }
        }

        (double Logit, double LogProb, Tensor? Slope) Logit(Tensor activation, bool withSlope)
        {
            using var gradient = set_grad_enabled(withSlope);
            var leaf = activation.detach().unsqueeze(0);
            if (withSlope) leaf = leaf.requires_grad_();
            var residual = bench.Model.ResidualFrom(state, (here, x) => here == at ? leaf : others is null ? x : others(here, x));
            var logits = bench.Model.Unembed(residual.narrow(1, text.Length - 1, 1))[0, 0]; // [d_vocab]
            var slope = withSlope && logits.requires_grad ? Gradients.Of(logits[token], leaf)[0][0] : null;
            var flat = logits.detach();
            return (flat[token].item<float>(), flat.log_softmax(-1)[token].item<float>(), slope);
        }
    }
}
