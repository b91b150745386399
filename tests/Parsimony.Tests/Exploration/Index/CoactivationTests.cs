using Parsimony.Exploration.Index;
using Parsimony.Training.Kernels;
using Xunit;

namespace Parsimony.Tests.Exploration.Index;

public sealed unsafe class CoactivationTests
{
    private const int Latents = 12, Tokens = 4000, Firings = 200;

    [Fact]
    public void Where_latents_fire_more_often_than_a_sketch_holds_the_index_is_that_of_the_tokens_with_the_smallest_hashes()
    {
        var random = new Random(3);
        HashSet<int>[] fires = [.. Enumerable.Range(0, Latents).Select(_ => new HashSet<int>())];
        for (int t = 0; t < Tokens; t++)
        {
            double theme = random.NextDouble(); // latents of one theme fire together
            for (int i = 0; i < Latents; i++)
                if (Math.Abs(theme - i / (double)Latents) < 0.12 && random.NextDouble() < 0.7 || random.NextDouble() < 0.02) fires[i].Add(t);
        }
        using var team = new ThreadTeam(2);
        using var state = new IndexState(Latents, SomeIndex.Options with { Neighbours = Latents - 1 }, Firings);
        for (int t = 0; t < Tokens; t++)
            for (int i = 0; i < Latents; i++)
                if (fires[i].Contains(t)) CoactivationSketch.Add(state, i, Hash(t), (uint)t);
        new CoactiveNeighbours(state, Tokens, team).Find(0, Latents);

        double squares = 0, expected = 0;
        int pairs = 0;
        for (int i = 0; i < Latents; i++)
            for (int n = 0; n < Latents - 1 && state.Coactive[i * (Latents - 1) + n].Id >= 0; n++)
            {
                var (j, value) = (state.Coactive[i * (Latents - 1) + n].Id, state.Coactive[i * (Latents - 1) + n].Value);
                ulong known = Math.Min(Known(fires[i]), Known(fires[j]));
                var (a, b) = (Below(fires[i], known), Below(fires[j], known));
                Assert.Equal(a.Intersect(b).Count() / (double)a.Union(b).Count(), value, 1e-6);
                double truth = fires[i].Intersect(fires[j]).Count() / (double)fires[i].Union(fires[j]).Count();
                squares += Math.Pow(value - truth, 2);
                expected += truth * (1 - truth) / a.Union(b).Count();
                pairs++;
            }
        Assert.True(pairs > 40);
        Assert.InRange(squares / expected, 0.2, 2); // the standard error that is told, sqrt(J (1 - J) / n)
    }

    private static ulong Hash(int token) => SomeIndex.Hashes(1, token, 0).Token;

    private static ulong Entry(int token) => Hash(token) & 0xFFFFFFFF_00000000 | (uint)token;

    private static ulong Known(HashSet<int> fires) => fires.Count < Firings ? ulong.MaxValue : fires.Select(Entry).Order().ElementAt(Firings - 1);

    private static HashSet<int> Below(HashSet<int> fires, ulong known) => [.. fires.Where(t => Entry(t) <= known)];
}
