using System.Text;
using Parsimony.Evaluation;
using Parsimony.Reporting;

namespace Parsimony.Tests.Reporting;

/// <summary>Reports made up for tests and for looking at the page.</summary>
internal static class SomeReport
{
    private const string Story =
        "Once there was a little fox who lived under the old oak tree. \"What shall we do today?\" asked the fox.\n"
        + "The wind blew, the rain fell, and the king went down to the river to see the ships come home. His mother said that he "
        + "must never go into the wood alone, but the boy was brave & the night was <b>long</b>. They ate bread and honey.\n";

    /// <summary>A report with every part.</summary>
    public static RunReport Full() => Trained() with
    {
        Finetune = new FinetuneSummary
        {
            HeldoutBefore = 3.412,
            HeldoutAfter = 3.104,
            HeldoutNullAfter = 3.408,
            TrainableParameters = 4096,
            Task = "stories in which every animal speaks, one hundred short examples.",
        },
        Dials = DialSummary.Of(Values(2048, i => 1 + 0.5f * MathF.Pow(Noise(i), 3)), Values(2048, i => 0.2f * MathF.Pow(Noise(i + 7), 5)), 3),
        MostMoved = [.. Enumerable.Range(40, 6).Select(i => Panel(i) with
        {
            Scale = 1 + Noise(i), Shift = 0.3 * Noise(i + 3), DensityAfter = i == 42 ? 0 : 0.02 + 0.01 * Noise(i), Effect = 2.0 / (i - 38),
        })],
        Samples =
        [
            new TextSample
            {
                Prompt = "Once upon a time", Before = ", there lived a king who had three sons. The eldest was proud, the second was idle, and the "
                    + "youngest was called Simpleton.\n\n\"Go,\" said the king, \"and bring me the water of life.\" So they went out into the wide world.",
                After = ", a mouse said to the cat, \"Good morning! Will you come and drink tea with me?\" \"With pleasure,\" answered the cat, and "
                    + "she put on her best bonnet.\n\n\"How do you do?\" said the kettle.",
            },
            new TextSample { Prompt = "The old dog", Before = " lay by the fire and slept.", After = " looked up and said, \"I have been waiting for you.\"" },
        ],
    };

    /// <summary>A report of a run that trained and evaluated an autoencoder.</summary>
    public static RunReport Trained() => new()
    {
        CeClean = 3.193,
        CeSpliced = 3.201,
        CeZeroAblated = 3.427,
        CeMeanAblated = 3.305,
        CeLossRecovered = 0.966,
        CeLossRecoveredFromMean = 0.929,
        KlSpliced = 0.0121,
        KlZeroAblated = 0.2412,
        KlMeanAblated = 0.1208,
        KlScore = 0.9498,
        EvaluatedTokens = 100_000,
        HeldOut = true,
        Mse = 0.6124,
        ExplainedVariance = 0.9134,
        Fvu = 0.0866,
        ExplainedVarianceLegacy = 0.8971,
        Cosine = 0.9602,
        L2Ratio = 0.9318,
        RelativeReconstructionBias = 0.9664,
        L0 = 31.24,
        L1 = 12.41,
        DSae = 2048,
        DeadFraction = 0.0312,
        DenseFraction = 0.0122,
        DecoderMaxCosineMean = 0.412,
        DecoderMaxCosineP95 = 0.688,
        EncoderDecoderCosineMean = 0.731,
        TokensSeen = 1_512_448,
        Seed = 20,
        Version = "0.1.0",
        ModelName = "demo-neox-4l",
        Hook = "blocks.1.mlp_out",
        Command = "dotnet run -c Release --project src/Parsimony.Cli -- demo --seed 20 --json",
        Date = new DateTimeOffset(2026, 3, 14, 15, 9, 26, TimeSpan.Zero),
        ModelSha256 = new string('a', 32) + new string('7', 32),
        SaeSha256 = new string('b', 64),
        TokenizerSha256 = new string('c', 64),
        LayerSweep = [.. new[] { 4.902, 3.201, 5.871, 7.334 }.Select((ce, layer) => new LayerSweepEntry { Layer = layer, CeSpliced = ce, CeZeroAblated = 3.3 + layer / 8.0 })],
        Seconds = new Dictionary<string, double> { ["load"] = 0.4, ["train"] = 121.7, ["evaluate"] = 14.2, ["layer_sweep"] = 11.9, ["finetune"] = 41.3, ["features"] = 6.6, ["generate"] = 3.1 },
        Density = DensityHistogram.Of(SparsityReport.FromCounts(
            [.. Enumerable.Range(0, 2048).Select(i => i % 32 == 0 ? 0 : (long)(1e5 * Math.Pow(10, -2.2 + 0.8 * Noise(i) + 0.6 * Noise(i * 3 + 1))))], 100_000).Density),
        Features = [.. Enumerable.Range(0, 10).Select(Panel)],
    };

    /// <summary>Curves of a plausible training.</summary>
    public static IReadOnlyDictionary<string, Curve> Curves()
    {
        double[] steps = [.. Enumerable.Range(0, 1200).Select(i => 10.0 * i)];
        Curve Over(Func<double, int, double> f) => Curve.Thin(steps, [.. steps.Select((s, i) => f(s / 12000, i))]);
        return new Dictionary<string, Curve>
        {
            ["loss"] = Over((t, i) => 9 * Math.Exp(-9 * t) + 1.2 + 0.1 * Noise(i)),
            ["mse"] = Over((t, i) => 7 * Math.Exp(-9 * t) + 0.6 + 0.08 * Noise(i)),

            ["l0"] = Over((t, i) => 160 * Math.Exp(-5 * t) + 31 + Noise(i)),
            ["explained_variance"] = Over((t, i) => 0.915 - 0.9 * Math.Exp(-12 * t) + 0.004 * Noise(i)),
            ["dead_fraction"] = Over((t, _) => 0.2 * t * Math.Exp(-2 * t)),
            ["finetune_loss"] = Over((t, i) => 3.1 + 0.31 * Math.Exp(-4 * t) + 0.03 * Noise(i)),

        };
    }

    /// <summary>A latent that fires on a word or two of a made-up story.</summary>
    public static FeaturePanel Panel(int seed)
    {
        string[] words = [.. Story.Split(' ').Select((word, i) => i == 0 ? word : " " + word)];
        return new FeaturePanel
        {
            Latent = 37 * seed % 2048,
            Density = 0.0007 * Math.Pow(1.7, seed % 10),
            MaxActivation = 4.2 + seed % 3,
            Promoted = [.. Enumerable.Range(0, 8).Select(i => new TokenLogit(words[(seed * 5 + i * 3) % words.Length].Replace(' ', '␣').Replace('\n', '↵'), 2.1f - 0.1f * i))],
            Suppressed = [.. Enumerable.Range(0, 5).Select(i => new TokenLogit(words[(seed * 3 + i * 7 + 2) % words.Length].Replace(' ', '␣').Replace('\n', '↵'), -1.4f + 0.1f * i))],
            Contexts = [.. Enumerable.Range(0, 5).Select(c =>
            {
                var tokens = Enumerable.Range(seed * 3 + c * 9, 26).Select(i => Encoding.UTF8.GetBytes(words[i % words.Length])).ToArray();
                var activations = Enumerable.Range(0, 26).Select(i => i == 17 ? (4.2f + seed % 3) * (1 - 0.08f * c) : i is 16 or 18 or 5 ? 3f * MathF.Abs(Noise(i + c + seed)) : 0).ToArray();
                return ShadedText.Join(tokens, activations, 17);
            })],
        };
    }

    private static float[] Values(int n, Func<int, float> f) => [.. Enumerable.Range(0, n).Select(f)];

    // A fixed sequence that looks random, between -1 and 1.
    private static float Noise(int i) => (float)((Math.Sin(i * 12.9898 + 4.1) * 43758.5453 % 1 + 1) % 1 * 2 - 1);
}
