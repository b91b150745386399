using Parsimony.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Training;

public sealed class InputReservoirTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(1, CPU);

    public void Dispose()
    {
        generator.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Draws_follow_the_weights_and_never_take_an_input_twice()
    {
        var weights = tensor(new double[] { 0, 1, 2, 3, 4, 0 });
        int[] first = new int[6];
        for (int i = 0; i < 4000; i++)
        {
            long[] drawn = Draw(3, weights);
            Assert.Equal(3, drawn.Distinct().Count());
            first[drawn[0]]++;
        }
        AssertFit([.. Enumerable.Range(1, 4).Select(i => first[i])], [400, 800, 1200, 1600], 16.3); // 3 degrees of freedom: once in 1,000 draws
        Assert.Equal([1, 2, 3, 4], Draw(6, weights).Order());
        Assert.Empty(Draw(3, zeros(5, ScalarType.Float64)));
    }

    [Fact]
    public void Of_many_inputs_each_is_drawn_in_proportion_to_its_weight_wherever_it_came()
    {
        // 500 of 20,000 in batches of 100: so few that chances are in proportion, whatever is drawn before.
        const int batches = 200, batch = 100, drawn = 500;
        var weights = arange(batches * batch).remainder(5).add(1).to(ScalarType.Float64); // 1 to 5 at every place
        int[] byWeight = new int[5], byPlace = new int[4];
        for (int i = 0; i < 4; i++)
            foreach (long at in Draw(drawn, [.. weights.split(batch)]))
                (byWeight[at % 5], byPlace[at * 4 / (batches * batch)]) = (byWeight[at % 5] + 1, byPlace[at * 4 / (batches * batch)] + 1);
        AssertFit(byWeight, [.. Enumerable.Range(1, 5).Select(w => 4 * drawn * w / 15.0)], 18.5);
        AssertFit(byPlace, [drawn, drawn, drawn, drawn], 16.3);
    }

    [Fact]
    public void The_sample_does_not_depend_on_how_the_stream_is_cut_into_batches_and_a_smaller_one_is_its_beginning()
    {
        var weights = rand(90, ScalarType.Float64, generator: generator);
        var state = generator.get_state();
        long[] Again(int count, int batch)
        {
            generator.set_state(state);
            return Draw(count, [.. weights.split(batch)]);
        }
        long[] whole = Again(20, 90);
        foreach (int batch in (int[])[1, 7, 30]) Assert.Equal(whole, Again(20, batch));
        Assert.Equal(whole[..6], Again(6, 7));
    }

    [Fact]
    public void Weights_of_any_size_are_told_apart()
    {
        var weights = tensor(new double[] { 1e-150, 0, 1e150, 2e-150, 1e-300 });
        Assert.Equal([2], Draw(1, weights));
        Assert.Equal([0, 2, 3, 4], Draw(5, weights).Order());
    }

    [Fact]
    public void Targets_go_with_their_inputs_and_a_restored_one_goes_on_as_the_first_would_have()
    {
        var (x, target) = (Drawn.Normal(1, 40, 3), Drawn.Normal(2, 40, 2));
        var weights = rand(40, ScalarType.Float64, generator: generator);
        using var first = new InputReservoir(8, 3, 2);
        first.Add(weights, x, target, generator);
        var state = generator.get_state();
        using var second = InputReservoir.Restored(first.State("a.").ToDictionary(), "a.")!;
        Assert.Null(InputReservoir.Restored(first.State("a.").ToDictionary(), "b."));
        foreach (var reservoir in (InputReservoir[])[first, second])
        {
            generator.set_state(state);
            reservoir.Add(weights, x * 2, target * 2, generator);
        }
        var ((ours, theirs), (oursAgain, theirsAgain)) = (first.Take(5), second.Take(5));
        Assert.True(ours.bytes.SequenceEqual(oursAgain.bytes) && theirs.bytes.SequenceEqual(theirsAgain.bytes));
        foreach (long i in Enumerable.Range(0, 5))
        {
            long from = (x / x.norm(1, keepdim: true)).matmul(ours[i]).argmax().item<long>();
            double factor = ours[i, 0].item<float>() / x[from, 0].item<float>();
            Assert.True((target[from] * factor - theirs[i]).abs().max().item<float>() < 1e-5);
        }
    }

    /// <summary>The places of the inputs drawn from a stream of batches of these weights.</summary>
    private long[] Draw(long count, params Tensor[] batches)
    {
        using var inner = NewDisposeScope();
        using var reservoir = new InputReservoir(count, 1, null);
        long at = 0;
        foreach (var weights in batches)
        {
            var x = arange(at, at += weights.shape[0]).to(ScalarType.Float32).unsqueeze(1);
            reservoir.Add(weights, x, x, generator);
        }
        return reservoir.Take(count).X.to(ScalarType.Int64).reshape(-1).data<long>().ToArray();
    }

    private static void AssertFit(int[] seen, double[] expected, double limit)
    {
        double chi = seen.Zip(expected, (s, e) => (s - e) * (s - e) / e).Sum(); // the seed is fixed
        Assert.True(chi < limit, $"chi squared {chi:0.0} of {string.Join(" ", seen)}; above {limit} once in 1,000 draws");
    }
}
