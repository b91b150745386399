using Parsimony.Autoencoders;
using Parsimony.Files;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;

namespace Parsimony.Tests.FineTuning;

/// <summary>Fine-tuning that moves few latents, or only some.</summary>
public sealed class SparseDialsTests : IDisposable
{
    private static readonly SftOptions Options = new() { Steps = 30, BatchSize = 3, SequenceLength = 12, LearningRate = 1e-2, LogEverySteps = 10 };

    private readonly Transformer model = Some.Model();
    private readonly StandardSae sae = TinySae.Random();
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<SftExample> train = [.. Some.Contexts(7, seed: 1).Select(row => new SftExample(row, 1))];

    private DialFit<SftResult> Train(DialOptions dials, string? into = null, long steps = 30) =>
        DialFits.Sft(model, TinySae.At, sae, Options with { Steps = steps }, dials, train, train, into);

    private static int[] Moved(DialFit<SftResult> result) =>
        [.. Enumerable.Range(0, result.Dials.DSae).Where(i => result.Dials.Gamma.Floats()[i] != 0 || result.Dials.Delta.Floats()[i] != 0)];

    [Fact]
    public void The_group_lasso_leaves_some_latents_exactly_at_rest_and_still_learns()
    {
        using var free = Train(new());
        using var some = Train(new() { GroupLasso = 0.7 }, folder);
        using var none = Train(new() { GroupLasso = 1e6 });
        Assert.InRange(Moved(some).Length, 1, Moved(free).Length - 1);
        Assert.True(some.Result.HeldOutAfter < some.Result.HeldOutBefore, $"{some.Result.HeldOutBefore} -> {some.Result.HeldOutAfter}");
        Assert.Empty(Moved(none));
        Assert.Equal(none.Result.HeldOutBefore, none.Result.HeldOutAfter);
        var last = MetricsFile.Read<SftProgress>(Path.Combine(folder, "metrics.jsonl"))[^1];
        Assert.Equal(Moved(some).Length, last.LatentsChanged);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]                                                          // decay of c itself moves every latent that is not held
    public void Only_allowed_latents_that_are_not_frozen_move(bool decayOnScale)
    {
        using var result = Train(new() { AllowLatents = [1, 2, 3, 5, 8, 13], FreezeLatents = [2, 4], DecayOnScale = decayOnScale });
        Assert.NotEmpty(Moved(result));
        Assert.Empty(Moved(result).Except([1, 3, 5, 8, 13]));
        Assert.Equal(10, result.Result.TrainableParameters);
    }

    [Fact]
    public void Latents_that_fired_on_too_few_tokens_keep_their_dials()
    {
        using var scope = torch.NewDisposeScope();
        var firings = train.Select(e => sae.Encode(model.Activations(TinySae.At, torch.tensor(e.Tokens.Select(id => (long)id).ToArray()).unsqueeze(0))).gt(0).sum([0L, 1])).Aggregate((a, b) => a + b);
        long[] counts = firings.Longs();
        long enough = counts.Order().ElementAt(counts.Length / 2);
        var seen = Enumerable.Range(0, counts.Length).Where(i => counts[i] >= enough).ToArray();
        Assert.InRange(seen.Length, 1, counts.Length - 1);
        using var result = Train(new() { MinFirings = enough });
        Assert.Equal(seen, Moved(result));
        Assert.Equal(2 * seen.Length, result.Result.TrainableParameters);
    }

    [Fact]
    public void A_resumed_run_ends_bit_equal_and_another_choice_of_latents_is_refused()
    {
        var options = new DialOptions { GroupLasso = 0.3, MinFirings = 5, FreezeLatents = [1] };
        using var whole = Train(options);
        using (Train(options, folder, steps: 10)) { }
        using var resumed = Train(options, folder);
        Assert.True(whole.Dials.Gamma.SameBits(resumed.Dials.Gamma) && whole.Dials.Delta.SameBits(resumed.Dials.Delta));
        Assert.Contains("freeze_latents was [1], now [2].", Assert.Throws<InvalidDataException>(
            () => Train(options with { FreezeLatents = [2] }, folder)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Train(options with { AllowLatents = [TinySae.DSae] }));
    }

    [Fact]
    public void Training_leaves_no_tensor_behind()
    {
        void Once(long steps)
        {
            using var result = Train(new() { GroupLasso = 0.3, MinFirings = 2, FreezeLatents = [1] }, steps: steps);
        }
        Once(1);
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once(4);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    public void Dispose()
    {
        Directory.Delete(folder, recursive: true);
        sae.Dispose();
        model.Dispose();
    }
}
