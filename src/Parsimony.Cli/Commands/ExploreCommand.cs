using System.CommandLine;
using System.ComponentModel;
using System.Net.Sockets;
using Parsimony.Cli.Runs;
using Parsimony.Exploration.Index;
using Parsimony.Explorer;
using Parsimony.Explorer.Model;
using Parsimony.FineTuning;
using Parsimony.Reporting;
using Parsimony.Tokens;

namespace Parsimony.Cli.Commands;

/// <summary>Options of <c>parsimony explore</c>.</summary>
internal sealed record ExploreOptions
{
    [Positional]
    [Description("run folder; those beside it are listed, too")]
    public string Run { get; init; } = "runs/demo";

    [Description("port on this machine; 0 takes any that is free")]
    public int Port { get; init; } = ExplorerOptions.DefaultPort;

    [Description("address to listen on; another than 127.0.0.1 lets others use the model and write labels")]
    public string Address { get; init; } = "127.0.0.1";

    [Description("names under which others may ask for it, such as that of this machine in its network")]
    public string[] HostNames { get; init; } = [];

    [Description("save no labels and no adapters")]
    public bool ReadOnly { get; init; }

    [Description("do not make an index where the run has none")]
    public bool NoIndex { get; init; }

    public WeightOptions Load { get; init; } = new();
}

/// <summary><c>parsimony explore RUN</c>: the run in a browser.</summary>
internal static class ExploreCommand
{
    /// <summary>The command's result: where it listened, and for how long.</summary>
    internal sealed record Explored(string Address, double Seconds);

    public static Command Create() => CliCommand.Create<ExploreOptions>(
        "explore", "Shows a run in the browser: what each feature means, what fine-tuning changed, steering; on this machine alone.", Run,
        ["parsimony explore runs/demo", "parsimony explore runs/pythia --port 8080", "parsimony explore runs/demo --address 0.0.0.0 --host-names lab-3 --read-only"]);

    private static Explored Run(ExploreOptions options, Terminal terminal)
    {
        var server = new ExplorerOptions { Port = options.Port, Address = options.Address, HostNames = options.HostNames, ReadOnly = options.ReadOnly }.Validated();
        var run = RunFolder.Existing(options.Run);
        if (RunFolder.Contains(options.Run) && !options.NoIndex && !Directory.Exists(run.Index))
        {
            using var sae = LoadedSae.Open(options.Run, null, null, load: options.Load);
            IndexCommand.Run(sae, run.Recall<IndexOptions>("index") ?? new IndexOptions { Sae = options.Run }, run, terminal);
        }
        var clock = System.Diagnostics.Stopwatch.StartNew();
        using var app = ExplorerServer.Create(Source(options), server);
        try
        {
            app.StartAsync().GetAwaiter().GetResult();
        }
        catch (IOException e) when (e.InnerException is not null || e.Message.Contains("address already in use", StringComparison.OrdinalIgnoreCase))
        {
            throw new IOException($"port {options.Port} of {options.Address} is taken, perhaps by another explorer. Choose one with --port, or 0 for any that is free.", e);
        }
        catch (SocketException e)
        {
            throw new IOException($"it is not possible to listen on {options.Address}:{options.Port}: {e.Message}. Choose others with --address and --port.", e);
        }
        string address = ExplorerServer.AddressOf(app);
        if (terminal.Json) terminal.Note([address]);
        else terminal.Say($"{address}   (Ctrl-C ends it)");
        terminal.Interrupted.WaitHandle.WaitOne();
        app.StopAsync(new CancellationTokenSource(TimeSpan.FromSeconds(2)).Token).GetAwaiter().GetResult();
        ((IAsyncDisposable)app).DisposeAsync().AsTask().GetAwaiter().GetResult();
        return new(address, Math.Round(clock.Elapsed.TotalSeconds, 1));
    }

    /// <summary>What is explored.</summary>
    internal static ExplorerSource Source(ExploreOptions options)
    {
        var run = RunFolder.Existing(options.Run);
        bool hasSae = RunFolder.Contains(options.Run);
        return new ExplorerSource
        {
            RunFolder = options.Run,
            OpenTokenizer = hasSae ? () => Tokenizer.Load(ModelOfRun.Folder(run)) : null,
            OpenWorkbench = hasSae ? () => Open(options, run) : null,
        };
    }

    /// <summary>Model, SAE and everything that was learned on it.</summary>
    private static Workbench Open(ExploreOptions options, RunFolder run)
    {
        var opened = new Opened(LoadedSae.Open(options.Run, null, null, load: options.Load));
        var adapters = new List<NamedAdapter>();
        try
        {
            foreach (var (name, folder) in run.Adapters())
            {
                var saes = LoadedSaes.Of(opened.Sae, folder);
                opened.Also(saes);
                if (AdapterFolder.Metadata(folder).Hooks.Any(h => h.At == opened.Sae.At)) adapters.Add(new NamedAdapter(name, folder, saes.Load(folder)));
            }
            return new Workbench(opened.Sae.Model.Model, opened.Sae.Model.Tokenizer, opened.Sae.At, opened.Sae.Sae, adapters, opened);
        }
        catch
        {
            foreach (var adapter in adapters) adapter.Dials.Dispose();
            opened.Dispose();
            throw;
        }
    }

    private sealed class Opened(LoadedSae sae) : IDisposable
    {
        private readonly List<LoadedSaes> besides = [];

        public LoadedSae Sae => sae;

        public void Also(LoadedSaes saes) => besides.Add(saes);

        public void Dispose()
        {
            foreach (var saes in besides) saes.Dispose();
            sae.Dispose();
        }
    }
}
