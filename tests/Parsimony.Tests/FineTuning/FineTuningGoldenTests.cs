using Parsimony.Autoencoders;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

/// <summary>fixtures/finetune: c and d trained by torch's Adam through transformers' GPT-NeoX.</summary>
public sealed class FineTuningGoldenTests : IDisposable
{
    private readonly Transformer model = ReferenceSae.Model();
    private readonly StandardSae sae = ReferenceSae.Load();
    private readonly Golden golden = Golden.Open("finetune/cd_finetune");
    private readonly DisposeScope scope = NewDisposeScope();

    [Fact]
    public void The_first_loss_logits_and_gradients_are_the_peers()
    {
        var tokens = golden["input_ids"][0];
        using var dials = new FeatureDials(ReferenceSae.At, sae.DSae);
        using var prefixes = new PrefixCache(model, ReferenceSae.At, 0);
        var state = prefixes.Batch(ReferenceSae.Rows(tokens));
        golden.AssertClose("hidden_pre0", sae.PreActivations(state.Activation).narrow(1, 0, 8));

        var logits = model.RunFrom(state, dials.Splice(sae, SpliceMode.Replace));
        golden.AssertClose("logits0_last8", logits.narrow(1, 40, 8));
        var loss = NextTokenLoss.Mean(logits, tokens);
        golden.AssertClose("loss0", loss);
        var gradients = autograd.grad([loss], [dials.Gamma, dials.Delta]);
        golden.AssertClose("grad0.c", gradients[0], 3e-5);
        golden.AssertClose("grad0.d", gradients[1], 3e-5);
    }

    [Fact]
    public void Loss_and_gradients_at_random_dials_are_the_peers()
    {
        var tokens = golden["input_ids"][1];
        using var dials = FeatureDials.Of(ReferenceSae.At, golden["rand.c"], golden["rand.d"]);
        var loss = NextTokenLoss.Mean(model.Forward(tokens, dials.Splice(sae, SpliceMode.Replace)), tokens);
        golden.AssertClose("rand.loss", loss);
        var gradients = autograd.grad([loss], [dials.Gamma, dials.Delta]);
        golden.AssertClose("rand.grad_c", gradients[0], 3e-5);
        golden.AssertClose("rand.grad_d", gradients[1], 3e-5);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("2GiB")]
    public void Twenty_steps_of_the_trainer_end_at_the_peers_dials(string prefixCache)
    {
        var examples = ReferenceSae.Rows(golden["input_ids"]).ConvertAll(row => new SftExample(row, 1));
        var options = new SftOptions
        {
            Steps = 20,
            BatchSize = 2,
            SequenceLength = 48,
            LearningRate = 1e-2,
            WeightDecay = 0,
            Shuffle = false,
            PrefixCache = prefixCache,
            LogEverySteps = 1,
        };
        var told = new Told();
        var replace = new DialOptions { Mode = SpliceMode.Replace };
        using var first = DialFits.Sft(model, ReferenceSae.At, sae, options with { Steps = 1 }, replace, examples, []);
        using var result = DialFits.Sft(model, ReferenceSae.At, sae, options, replace, examples, examples[..2], progress: told);
        golden.AssertClose("step1.c", first.Dials.Scale());
        golden.AssertClose("step1.d", first.Dials.Shift());
        golden.AssertClose("trace.loss", tensor(told.Lines.Select(line => line.Loss).ToArray()));
        golden.AssertClose("final.c", result.Dials.Scale());
        golden.AssertClose("final.d", result.Dials.Shift());
        golden.AssertClose("final.loss_batch0", tensor(result.Result.HeldOutAfter));
        golden.AssertClose("loss0", tensor(result.Result.HeldOutBefore));
    }

    public void Dispose()
    {
        scope.Dispose();
        golden.Dispose();
        sae.Dispose();
        model.Dispose();
    }
}

/// <summary>Remembers what it is told, on the thread that tells it.</summary>
internal sealed class Told : IProgress<SftProgress>
{
    private readonly Action<SftProgress>? then;

    public Told(Action<SftProgress>? then = null) => this.then = then;

    public List<SftProgress> Lines { get; } = [];

    public void Report(SftProgress value)
    {
        Lines.Add(value);
        then?.Invoke(value);
    }
}
