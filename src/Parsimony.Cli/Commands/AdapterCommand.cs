using System.CommandLine;
using System.ComponentModel;
using Parsimony.Autoencoders;
using Parsimony.Cli.Runs;
using Parsimony.FineTuning;
using Parsimony.FineTuning.Baselines;
using Parsimony.Splicing;
using TorchSharp;

namespace Parsimony.Cli.Commands;

/// <summary>What to do with an adapter.</summary>
internal enum AdapterAction
{
    Status,
    Merge,
    Compile,
    Combine,
}

/// <summary>The type a merged SAE's numbers are to be exact in.</summary>
internal enum MergeStorage
{
    Fp32,
    Bf16,
    Fp16,
}

/// <summary><c>parsimony adapter ACTION FOLDERS</c>: looks at adapters, merges, compiles and combines them.</summary>
internal static class AdapterCommand
{
    private sealed record Options
    {
        [Positional]
        [Description("status, merge (into an ordinary SAE; dials learned in replace mode), compile (to the changed latents alone, no SAE needed; delta mode) or combine (a weighted sum)")]
        public required AdapterAction Action { get; init; }

        [Positional]
        [Description("adapter folders; more than one to combine")]
        public required string[] Adapters { get; init; }

        [Description("combine: weight of each, in their order [default: 1 each]")]
        public double[] Weights { get; init; } = [];

        [Description("merge: the type that the merged SAE's numbers are to be exact in; refused where that loses the change")]
        public MergeStorage Storage { get; init; }

        [Description("SAE or run folders, where they are not where the adapter says")]
        public string[] Sae { get; init; } = [];

        [Description("model folder [default: the run's, else the bundled one]")]
        public string? Model { get; init; }

        [Description("where to write the result [default: ADAPTER-merged, -compiled or -combined]")]
        public string? Out { get; init; }

        /// <summary>These options, checked.</summary>
        public Options Validated()
        {
            if (Adapters.Length == 0 || (Action is not AdapterAction.Combine && Adapters.Length > 1)) throw new ArgumentException(
                $"{Adapters.Length} adapters are given; allowed: one, or several to combine.");
            return Weights.Length is 0 || Weights.Length == Adapters.Length ? this : throw new ArgumentException($"{Weights.Length} weights are given for {Adapters.Length} adapters; give one for each.");
        }
    }

    private sealed record Result(string Adapter, string Parameters, AdapterStatus Status, IReadOnlyDictionary<string, double> Results, string? Written);

    public static Command Create() => CliCommand.Create<Options>("adapter", "Looks at an adapter, merges or compiles it, or combines several.", Run,
    [
        "parsimony adapter status runs/demo/adapter", "parsimony adapter compile runs/demo/rlhf/adapter --out runs/gentle",
        "parsimony adapter combine runs/a/adapter runs/b/adapter --weights 1 0.5 --out runs/both",
    ]);

    private static Result Run(Options options, Terminal terminal)
    {
        string first = options.Adapters[0];
        if (options.Adapters.FirstOrDefault(BaselineFolder.IsOne) is { } baseline) return StatusOf(baseline, options, terminal);
        using var saes = options.Sae.Length > 0 ? LoadedSaes.Open(options.Sae, options.Model) : LoadedSaes.Of(first, options.Model, null);
        using var adapted = new AdaptedModel(saes.Model.Model);
        foreach (string folder in options.Adapters) adapted.Attach(folder, saes.Load(folder));
        string? written = options.Action switch
        {
            AdapterAction.Merge => Merge(saes, (DialAdapter)adapted[first], options.Storage, options.Out ?? Beside(first, "merged")),
            AdapterAction.Compile => Compile(saes, (DialAdapter)adapted[first], first, options.Out ?? Beside(first, "compiled")),
            AdapterAction.Combine => Combine(saes, adapted, options),
            _ => null,
        };
        var status = adapted.Status()[^1];
        string parameters = adapted.TrainableParameters();
        var results = AdapterFolder.Metadata(first).Results;
        terminal.Facts(
        [
            new("adapter", first),
            new("at", string.Join(", ", status.Hooks)),
            new("latents changed", $"{status.LatentsChanged} of {((DialAdapter)adapted[status.Name]).Saes.Sum(s => s.Sae.DSae)}"),
            new("parameters", parameters),
            .. results.Select(r => KeyValuePair.Create<string, object?>(r.Key.Replace('_', ' '), $"{r.Value:0.####}")),
            .. written is null ? [] : (KeyValuePair<string, object?>[])[new("written", written)],
        ]);
        return new Result(first, parameters, status, results, written);
    }

    private static Result StatusOf(string folder, Options options, Terminal terminal)
    {
        if (options.Action is not AdapterAction.Status) throw new UsageException($"'{folder}' is no dials; merge, compile and combine are for dials. 'parsimony adapter status' shows it.");
        using var model = LoadedModel.Open(options.Model ?? ModelOfRun.OfAdapter(folder));
        using var adapted = new AdaptedModel(model.Model);
        adapted.Attach(folder, BaselineFolder.Load(folder, model.Model));
        var (status, parameters, results) = (adapted.Status()[^1], adapted.TrainableParameters(), BaselineFolder.Results(folder));
        terminal.Facts(
        [
            new("adapter", folder),
            new("method", status.Method),
            new("at", string.Join(", ", status.Hooks)),
            new("parameters", parameters),
            .. results.Select(r => KeyValuePair.Create<string, object?>(r.Key.Replace('_', ' '), $"{r.Value:0.####}")),
        ]);
        return new Result(folder, parameters, status, results, null);
    }

    private static string Merge(LoadedSaes saes, DialAdapter adapter, MergeStorage storage, string to)
    {
        if (adapter.Options is not { Mode: SpliceMode.Replace, Positions: TokenPositions.All }) throw new InvalidDataException(
            "the dials were learned in delta mode or act at some positions only; a merged SAE can stand for neither. Compile them instead.");
        foreach (var (spliced, dials) in adapter.Saes.Zip(adapter.Dials))
        {
            using var merged = DialMerge.Into(spliced.Sae, dials, storage switch
            {
                MergeStorage.Bf16 => torch.ScalarType.BFloat16,
                MergeStorage.Fp16 => torch.ScalarType.Float16,
                _ => torch.ScalarType.Float32,
            });
            SaeFolder.Save(adapter.Saes.Count == 1 ? to : Path.Combine(to, spliced.At.ToString()), merged, saes.All.First(s => s.At == spliced.At).Metadata);
        }
        return to;
    }

    private static string Compile(LoadedSaes saes, DialAdapter adapter, string from, string to)
    {
        if (adapter.Options is not { Mode: SpliceMode.Delta }) throw new InvalidDataException(
            "the dials were learned in replace mode, which needs the whole SAE. Merge them instead.");
        var compiled = new List<CompiledDials>();
        try
        {
            compiled.AddRange(adapter.Saes.Zip(adapter.Dials).Where(h => GroupLasso.Changed(h.Second.Gamma, h.Second.Delta) > 0).Select(h => CompiledDials.Of(h.First.Sae, h.Second)));
            if (compiled.Count == 0) throw new InvalidDataException("every dial is at rest; there is nothing to compile.");
            var hooks = new List<AdapterHook>();
            foreach (var (i, few) in compiled.Index())
            {
                string name = compiled.Count == 1 ? "sae" : $"sae-{i}", folder = Path.Combine(to, name);
                SaeFolder.Save(folder, few.Sae, saes.All.First(s => s.At == few.Dials.At).Metadata);
                hooks.Add(new(few.Dials.At, few.Sae.DSae, name, SaeFolder.Sha256(folder)));
            }
            AdapterFolder.Save(to, [.. compiled.Select(c => c.Dials)], saes.Metadata(adapter, AdapterFolder.Metadata(from).Results) with { Hooks = hooks });
            return to;
        }
        finally
        {
            foreach (var few in compiled) few.Dispose();
        }
    }

    private static string Combine(LoadedSaes saes, AdaptedModel adapted, Options options)
    {
        string to = options.Out ?? Beside(options.Adapters[0], "combined");
        adapted.AddWeighted(to, options.Adapters.Select((name, i) => (name, i)).ToDictionary(a => a.name, a => options.Weights.Length == 0 ? 1 : options.Weights[a.i]));
        var sum = (DialAdapter)adapted[to];
        AdapterFolder.Save(to, sum.Dials, saes.Metadata(sum, new Dictionary<string, double>()));
        return to;
    }

    private static string Beside(string adapter, string what) => $"{adapter.TrimEnd(Path.DirectorySeparatorChar)}-{what}";
}
