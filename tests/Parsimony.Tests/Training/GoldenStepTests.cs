using Parsimony.Autoencoders;
using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

/// <summary>Every architecture against a reference run by other people's code.</summary>
public sealed class GoldenStepTests
{
    private static readonly string[] Goldens = ["topk", "topk_aux", "batchtopk", "jumprelu", "gated", "saelens_standard", "saelens_gated"];

    /// <summary>Each by its dense step and by the sparse one, which does not renormalise before the step as Neel's does.</summary>
    public static TheoryData<string, bool> Every => new([.. Goldens.SelectMany(golden => ((string, bool)[])[(golden, false), (golden, true)]), ("neel", false)]);

    [Theory, MemberData(nameof(Every))]
    public void First_gradients_codes_and_reconstruction_are_the_reference_ones(string golden, bool sparse)
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps(golden);
        var options = GoldenArchitectures.Options(golden, reference) with { DecoderConstraint = Unprojected(golden, reference), GradientClip = 0 };
        var x = GoldenSteps.Activations().NextRows();
        using var step = GoldenArchitectures.Start(golden, reference, options, x, sparse);
        if (reference.Has("after_first_prep.b_dec")) reference.AssertClose("after_first_prep", "b_dec", step.State()["b_dec"]);
        using var start = step.ToAutoencoder();
        var seen = step.Run(x, 1, learningRate: 0, GoldenArchitectures.Coefficient(golden, reference, 0));
        foreach (string name in Weights(reference, "grad0")) // after one step Adam's mean is 1 - beta1 of the gradient
            reference.AssertClose("grad0", name, step.State()[$"{name}.exp_avg"] / (1 - options.AdamBeta1), floor: 3e-5);
        reference.AssertClose("x_hat0", (seen.Residual + x).narrow(0, 0, 16));
        var f = golden == "batchtopk" ? TopKSelection.PerBatch(start.PreActivations(x).relu(), 8).F : start.Encode(x);
        reference.AssertClose("f0", f.narrow(0, 0, 16));
    }

    [Theory, MemberData(nameof(Every))]
    public void Fifty_steps_see_the_reference_losses_and_end_in_its_weights(string golden, bool sparse)
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps(golden);
        var options = GoldenArchitectures.Options(golden, reference);
        var source = GoldenSteps.Activations();
        using var step = GoldenArchitectures.Start(golden, reference, options, GoldenSteps.Activations().NextRows(), sparse);
        var trace = new Dictionary<string, double[]>();
        for (int s = 0; s < 50; s++)
        {
            using var inner = NewDisposeScope();
            var x = source.NextRows();
            double coefficient = GoldenArchitectures.Coefficient(golden, reference, s);
            double rate = reference.Has("trace.lr") ? reference["trace.lr_f64"][s].item<double>() : reference.Config("lr");
            foreach (var (name, value) in Seen(golden, step.Run(x, s + 1, rate, coefficient), x, coefficient))
            {
                if (!trace.TryGetValue(name, out double[]? values)) trace.Add(name, values = new double[50]);
                values[s] = value;
            }
        }
        foreach (string name in Weights(reference, "final")) reference.AssertClose("final", name, Final(name, reference, step.State()));
        int compared = 0;
        foreach (var (name, values) in trace.Where(t => reference.Has($"trace.{t.Key}")))
        {
            reference.AssertClose("trace", name, tensor(values));
            compared++;
        }
        Assert.True(compared >= 3, $"only {compared} traces were compared");
    }

    [Fact]
    public void Neels_rebirth_of_dead_latents_keeps_our_bounds_and_touches_no_other()
    {
        using var scope = NewDisposeScope();
        var reference = new GoldenSteps("neel");
        var dead = reference["reinit.dead"].nonzero().reshape(-1);
        using var start = new StandardSae(reference["final.W_enc"], reference["final.W_dec"], reference["final.b_enc"], reference["final.b_dec"]);
        using var step = new ReluStep(start, new SaeTrainingOptions());
        step.Replace(dead, reference["reinit.W_enc"].index_select(1, dead), reference["reinit.W_dec"].index_select(0, dead));
        foreach (string name in Weights(reference, "reinit").Where(name => name != "dead")) reference.AssertClose($"reinit.{name}", step.State()[name]);
        using var generator = new Generator(1, CPU);
        var mine = KaimingUniform.EncoderColumns(64, (int)dead.shape[0], 192, generator);
        double bound = Math.Sqrt(6.0 / 192);
        foreach (var columns in (Tensor[])[mine, reference["reinit.W_enc"].index_select(1, dead)])
            Assert.InRange(columns.abs().max().item<float>(), 0.97 * bound, bound);
    }

    // The stored gradient is the one before the projection; in a free decoder there is none.
    private static DecoderConstraint Unprojected(string golden, GoldenSteps reference) =>
        GoldenArchitectures.Options(golden, reference).DecoderConstraint == DecoderConstraint.Free ? DecoderConstraint.Free : DecoderConstraint.Renormalise;

    private static IEnumerable<string> Weights(GoldenSteps reference, string group) => reference.In(group).Where(name => !name.EndsWith("_f64", StringComparison.Ordinal));

    private static Tensor Final(string name, GoldenSteps reference, IReadOnlyDictionary<string, Tensor> state) => name switch
    {
        "threshold" => state[name].reshape(reference[$"final.{name}"].shape),
        "num_tokens_since_fired" => state["aux_k.tokens_since_kept"],
        _ => state[name],
    };

    /// <summary>A step's numbers under the names that the references give them.</summary>
    private static Dictionary<string, double> Seen(string golden, SaeStepResult seen, Tensor x, double coefficient)
    {
        double loss = seen.Loss.item<float>(), mse = seen.Mse.item<float>(), sparsity = seen.Sparsity.item<float>();
        double auxiliary = seen.Auxiliary?.item<float>() ?? 0;
        var variance = new ExplainedVariance();
        variance.Add(x, seen.Residual);
        var numbers = new Dictionary<string, double>
        {
            ["loss"] = loss,
            ["l0"] = seen.Fires.sum().item<float>() / GoldenSteps.Batch,
            ["mse_loss"] = mse,
            ["l2_loss"] = mse,
            ["sparsity_loss"] = sparsity,
            ["aux_loss"] = auxiliary,
            ["auxk_loss"] = auxiliary * 32,
            ["auxiliary_reconstruction_loss"] = auxiliary,
            ["l1_loss"] = coefficient * sparsity,
            ["fvu"] = 1 - variance.Value,
        };
        if (golden == "gated") numbers.Remove("l2_loss"); // there the name means the mean of the norm
        return numbers;
    }
}
