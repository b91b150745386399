using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning.Baselines;

/// <summary>The trainer of the dials teaches every baseline.</summary>
public sealed class LearningTests : IDisposable
{
    private static readonly HookPoint At = new(1, HookSite.MlpOut);

    private static readonly SftOptions Options = new() { Steps = 30, BatchSize = 3, SequenceLength = 12, LearningRate = 1e-2, LogEverySteps = 5, CheckpointEverySteps = 5, Seed = 4 };

    private readonly Transformer model = Some.Model();
    private readonly TemporaryFolder folder = new();
    private readonly List<SftExample> examples = [.. Some.Contexts(7, seed: 1).Select((row, i) => new SftExample(row[..(12 - i % 3 * 2)], 1 + i % 2 * 3))];

    public static TheoryData<BaselineMethod> Methods => [.. Enum.GetValues<BaselineMethod>().Except([BaselineMethod.Dials, BaselineMethod.RandomDictionary])];

    private (SftResult Result, float[][] Numbers) Learn(BaselineMethod method, SftOptions options, TokenPositions positions = TokenPositions.All, string? into = null,
        IProgress<SftProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var adapter = Baseline.Create(new BaselineOptions { Method = method, Budget = 64 }, model, At, positions: positions);
        var result = new SftTrainer(model, adapter, options).Train(examples, examples, into, progress, cancellation);
        return (result, [.. adapter.Parameters.Values.Select(t => t.Floats())]);
    }

    [Theory, MemberData(nameof(Methods))]
    public void The_loss_falls_from_the_plain_models(BaselineMethod method)
    {
        var (result, _) = Learn(method, Options);
        Assert.Equal(result.HeldOutPlain, result.HeldOutBefore);
        Assert.True(result.HeldOutAfter < result.HeldOutBefore - 0.02, $"{result.HeldOutBefore} -> {result.HeldOutAfter}");
        var (response, _) = Learn(method, Options, TokenPositions.Response);
        Assert.True(response.HeldOutAfter < response.HeldOutBefore && response.HeldOutAfter != result.HeldOutAfter, $"{response.HeldOutBefore} -> {response.HeldOutAfter}");
    }

    [Theory, MemberData(nameof(Methods))]
    public void Running_layers_again_changes_no_bit(BaselineMethod method)
    {
        var few = Options with { Steps = 6 };
        var (kept, again) = (Learn(method, few with { Recompute = false }), Learn(method, few with { Recompute = true }));
        Assert.Equal(kept.Numbers, again.Numbers);
        Assert.Equal(kept.Result.HeldOutAfter, again.Result.HeldOutAfter);
    }

    [Theory, MemberData(nameof(Methods))]
    public void A_run_that_was_cancelled_and_resumed_ends_bit_equal(BaselineMethod method)
    {
        var options = Options with { Steps = 12, LogEverySteps = 4 };
        var whole = Learn(method, options);
        using var source = new CancellationTokenSource();
        var stop = new Told(line =>
        {
            if (line.Step == 8) source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => Learn(method, options, into: folder.File("cut"), cancellation: source.Token, progress: stop));
        Assert.Equal(whole.Numbers, Learn(method, options, into: folder.File("cut")).Numbers);
    }

    [Fact]
    public void Dials_learn_on_a_random_dictionary_too()
    {
        using var sae = Some.Sae();
        using var scope = NewDisposeScope();
        using var random = RandomDictionary.Like(sae, model.Activations(At, Some.Tokens(8)).reshape(-1, 16), seed: 2);
        using var adapter = new DialAdapter(model, [new(At, random)], new());
        var result = new SftTrainer(model, adapter, Options).Train(examples, examples);
        Assert.Equal(result.HeldOutPlain, result.HeldOutBefore);
        Assert.True(result.HeldOutAfter < result.HeldOutBefore - 0.02);
    }

    private sealed class Told(Action<SftProgress> tell) : IProgress<SftProgress>
    {
        public void Report(SftProgress value) => tell(value);
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }
}
