using System.Globalization;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Model;
using Parsimony.Reporting;

namespace Parsimony.Explorer.Parts;

/// <summary>The live half of the comparison: what is written, switched and asked for.</summary>
public sealed partial class CompareLive
{
    private const int RedrawMilliseconds = 50;

    private CancellationToken gone;
    private CancellationTokenSource? writing;
    private (string Prompt, int[] Ids, FeatureEdits Edits)? written; // what the text on the page was written with
    private FeatureEdits edits = FeatureEdits.None;
    private SideBySide text = null!;
    private Comparison? of;
    private TokenContributions? contributions;
    private int? picked;
    private int askedFor, length = 48;
    private string prompt = "";
    private long seed;
    private double temperature = 1;
    private string? fault;
    private bool isSet, isDue; // due: the address has a text, which is to be written

    [Inject] internal Explored Explored { get; set; } = null!;
    [Inject] internal Client Client { get; set; } = null!;
    [Inject] internal IJSRuntime Script { get; set; } = null!;

    /// <summary>Name of the adapter.</summary>
    [Parameter, EditorRequired] public required string Adapter { get; set; }

    /// <summary>-1 to 2, as in the address.</summary>
    [Parameter] public string? Weight { get; set; }

    /// <summary>Latents that are off, as in the address.</summary>
    [Parameter] public string? Off { get; set; }

    /// <summary>predicted, or null.</summary>
    [Parameter] public string? Rank { get; set; }

    /// <summary>Column of the table.</summary>
    [Parameter] public string? Sort { get; set; }

    /// <summary>Page of the table.</summary>
    [Parameter] public int Page { get; set; }

    /// <summary>The latent whose drawer is open.</summary>
    [Parameter] public int? Feature { get; set; }

    /// <summary>What is written on from; empty: nothing yet.</summary>
    [Parameter] public string? Prompt { get; set; }

    /// <summary>Seed.</summary>
    [Parameter] public long Seed { get; set; }

    /// <summary>Divides the logits.</summary>
    [Parameter] public double Temperature { get; set; }

    /// <summary>New tokens at most.</summary>
    [Parameter] public int Length { get; set; }

    private bool IsLive => RendererInfo.IsInteractive;

    private bool IsWriting => writing is not null;

    private CompareAddress Address => new()
    {
        Edits = edits,
        Rank = Rank,
        Sort = Sort,
        Page = Page,
        Feature = Feature,
        Prompt = written?.Prompt ?? Prompt ?? "",
        Seed = seed,
        Temperature = temperature,
        Length = length,
    };

    private string Caption => edits is { Weight: 1, Off.Count: 0 } ? $"With “{Adapter}”"
        : $"With “{Adapter}”{(edits.Weight == 1 ? "" : $" × {Shown(edits.Weight)}")}{(edits.Off.Count == 0 ? "" : $", {edits.Off.Count} latents off")}";

    private string Status => IsWriting ? "Writing…" : written is null ? "Nothing was written yet." : text.FirstDifference is { } first
        ? $"The sides differ from token {first} on." : text[0].Count == text[1].Count ? $"Both sides wrote the same {text[0].Count} tokens." : "It was stopped.";

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        gone = Client.Gone;
        Client.Lost += Lost;
    }

    /// <inheritdoc/>
    protected override void OnParametersSet()
    {
        try
        {
            of = Comparison.Of(Explored, Adapter, Rank == "predicted");
            var asked = FeatureEdits.Parse(Adapter, Weight, Off, null, of!.DSae);
            if (isSet && Address.ToUrl() == (Address with { Edits = asked, Prompt = Prompt ?? "", Seed = Seed, Temperature = Temperature, Length = Length }).ToUrl()) return; // another page or order of the table: the text stays
            Stop();
            (isSet, isDue, written, contributions, picked, text, edits) = (true, Prompt is { Length: > 0 }, null, null, null, new SideBySide(Explored.Tokenizer!), asked);
            (prompt, seed, temperature, length) = (isDue ? Prompt! : Explored.Run.Report?.Samples is [var sample, ..] ? sample.Prompt : "Once upon a time", Seed, Temperature, Length);
        }
        catch (Exception e) when (e is ArgumentException or IOException or InvalidDataException)
        {
            fault = Faults.Sentence(e);
        }
    }

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!isDue) return;
        isDue = false;
        await Start();
    }

    private async Task Start()
    {
        Stop();
        var mine = writing = CancellationTokenSource.CreateLinkedTokenSource(gone);
        (contributions, picked, fault) = (null, null, null);
        text.Clear();
        try
        {
            var request = new GenerationRequest { Prompt = prompt, MaxNewTokens = length, Temperature = temperature, Seed = seed };
            var sampling = request.Sampling(Explored.Options);
            int[] ids = GenerationRequest.Encode(Explored.Tokenizer!, prompt);
            written = (prompt, ids, edits);
            await WriteAddress();
            StateHasChanged();
            var bench = await Explored.Bench().WaitAsync(mine.Token);
            long drawn = 0;
            await foreach (var token in TextStream.Write(Explored.Queue, Client.Name, bench, ids, [GenerationRequest.AtRest(edits), edits], sampling, mine.Token))
            {
                if (writing != mine) break; // a later one has the page
                text.Add(token);
                if (Environment.TickCount64 - drawn < RedrawMilliseconds) continue;
                drawn = Environment.TickCount64;
                StateHasChanged();
            }
        }
        catch (OperationCanceledException)
        {
            // It was stopped.
        }
        catch (Exception e)
        {
            if (writing == mine) (fault, written) = (Faults.Sentence(e), null);
        }
        finally
        {
            if (writing == mine) writing = null;
            mine.Dispose();
        }
        if (!gone.IsCancellationRequested) StateHasChanged();
    }

    private void Stop()
    {
        var mine = writing;
        writing = null;
        mine?.Cancel();
    }

    private void Lost() => _ = InvokeAsync(() =>
    {
        Stop();
        StateHasChanged();
    });

    private void Turn(ChangeEventArgs e)
    {
        if (double.TryParse(e.Value as string, NumberStyles.Float, CultureInfo.InvariantCulture, out double weight)) edits = edits with { Weight = Math.Clamp(weight, -1, 2) };
    }

    private Task Turned(ChangeEventArgs e)
    {
        Turn(e);
        return Again();
    }

    private Task Switch((int Latent, bool On) one)
    {
        edits = edits.Switched(one.Latent, one.On);
        return Again();
    }

    private Task AllOn()
    {
        edits = edits with { Off = new HashSet<int>() };
        return Again();
    }

    private Task Again() => written is null ? WriteAddress() : Start();

    private async Task Pick(ChangeEventArgs e)
    {
        if (written is not { } with || !int.TryParse(e.Value as string, CultureInfo.InvariantCulture, out int i) || i < 0 || i >= text[1].Count) return;
        (picked, contributions, fault, askedFor) = (i, null, null, text[1][i].Id);
        int[] before = [.. with.Ids, .. text[1].Take(i).Select(t => t.Id)];
        try
        {
            contributions = await Explored.Ask(Client.Name, bench => TokenContributions.Of(bench, with.Edits, before, with.Ids.Length, askedFor), gone);
        }
        catch (OperationCanceledException)
        {
            // The page was left.
        }
        catch (Exception error)
        {
            fault = Faults.Sentence(error);
        }
    }

    private async Task WriteAddress()
    {
        try
        {
            await Script.InvokeVoidAsync("explorer.address", gone, Address.ToUrl());
        }
        catch (Exception e) when (e is JSDisconnectedException or OperationCanceledException)
        {
            // The page was left.
        }
    }

    private static string Percent(double share) => (share < 0 ? "−" : "") + Number.Percent(Math.Abs(share));

    private static string Shown(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose()
    {
        Client.Lost -= Lost;
        Stop();
    }
}
