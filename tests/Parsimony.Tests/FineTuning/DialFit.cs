using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Policy;
using Parsimony.FineTuning.Rewards;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.FineTuning.Rewards;

namespace Parsimony.Tests.FineTuning;

/// <summary>Dials on one SAE, with what taught them and what came of it.</summary>
internal sealed record DialFit<T>(T Result, DialAdapter Adapter) : IDisposable
{
    public FeatureDials Dials => Adapter.Dials[0];

    public void Dispose() => Adapter.Dispose();
}

/// <summary>Trainers whose adapter is new dials on one SAE.</summary>
internal static class DialFits
{
    public static DialFit<SftResult> Sft(
        Transformer model, HookPoint at, ISparseAutoencoder sae, SftOptions options, DialOptions? dials, IReadOnlyList<SftExample> train, IReadOnlyList<SftExample> heldOut,
        string? folder = null, PrefixCache? prefixes = null, IProgress<SftProgress>? progress = null, CancellationToken cancellation = default) =>
        Fit(new DialAdapter(model, [new(at, sae)], dials ?? new()), adapter => new SftTrainer(model, adapter, options, prefixes).Train(train, heldOut, folder, progress, cancellation));

    public static DialFit<PolicyResult> Policy(
        Transformer model, HookPoint at, ISparseAutoencoder sae, PolicyOptions options, DialOptions? dials, IReadOnlyList<RolloutPrompt> prompts, WeightedRewards rewards,
        string? folder = null, IProgress<PolicyProgress>? progress = null, CancellationToken cancellation = default) =>
        Fit(new DialAdapter(model, [new(at, sae)], dials ?? new()), adapter => new PolicyTrainer(model, adapter, SomeTexts.Tokenizer, options).Train(prompts, rewards, folder, progress, cancellation));

    private static DialFit<T> Fit<T>(DialAdapter adapter, Func<DialAdapter, T> train)
    {
        try
        {
            return new(train(adapter), adapter);
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }
}
