using System.Globalization;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using Parsimony.Evaluation;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Model;
using Parsimony.Explorer.Steering;

namespace Parsimony.Explorer.Parts;

/// <summary>The live part of the steering page.</summary>
public sealed partial class SteerLive
{
    private const int RedrawMilliseconds = 50;

    private CancellationToken gone;
    private CancellationTokenSource? writing;
    private FeatureEdits edits = FeatureEdits.None;
    private SideBySide texts = null!;
    private IReadOnlyList<LatentSuggestion> found = [];
    private string prompt = "", writtenPrompt = "", name = "";
    private string? find, fault, saved;
    private double? push;
    private double temperature = 1;
    private long seed;
    private int length = 48;

    [Inject] internal Explored Explored { get; set; } = null!;
    [Inject] internal Client Client { get; set; } = null!;
    [Inject] internal IJSRuntime Script { get; set; } = null!;

    /// <summary>Adapter, weight, latents off and edits by hand, as in the address.</summary>
    [Parameter] public string? Adapter { get; set; }

    /// <summary>-1 to 2.</summary>
    [Parameter] public string? Weight { get; set; }

    /// <summary>Latents that are off.</summary>
    [Parameter] public string? Off { get; set; }

    /// <summary>Edits by hand.</summary>
    [Parameter] public string? Edit { get; set; }

    /// <summary>What is gone on from; empty: nothing is written before it is asked for.</summary>
    [Parameter] public string? Prompt { get; set; }

    /// <summary>Seed.</summary>
    [Parameter] public long Seed { get; set; }

    /// <summary>Divides the logits.</summary>
    [Parameter] public double Temperature { get; set; }

    /// <summary>New tokens at most.</summary>
    [Parameter] public int Length { get; set; }

    private bool IsLive => RendererInfo.IsInteractive;

    /// <inheritdoc/>
    protected override void OnInitialized()
    {
        gone = Client.Gone;
        Client.Lost += Lost;
        texts = new SideBySide(Explored.Tokenizer!);
        (prompt, seed, temperature, length) = (Prompt is { Length: > 0 } ? Prompt : Explored.Run.Report?.Samples is [var sample, ..] ? sample.Prompt : "Once upon a time", Seed, Temperature, Length);
        try
        {
            edits = FeatureEdits.Parse(Adapter, Weight, Off, Edit, Explored.IndexOrFault().DSae);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            fault = Faults.Sentence(e);
        }
    }

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!firstRender || fault is not null) return;
        if (Prompt is { Length: > 0 }) await Start();
        else if (!edits.IsNone) await Measure();
    }

    private void Find(string? text) => (find, found) = (text, LatentSuggestions.Of(Explored, text ?? ""));

    private Task Add(int latent)
    {
        (find, found) = (null, []);
        return edits.ByHand.ContainsKey(latent) ? Task.CompletedTask : Set(latent, new LatentEdit(Clamp: Maximum(latent)));
    }

    private Task Set(int latent, LatentEdit edit) => Change(edits with { ByHand = new Dictionary<int, LatentEdit>(edits.ByHand) { [latent] = edit } });

    private Task Remove(int latent) => Change(edits.With(latent, new LatentEdit()));

    private async Task Change(FeatureEdits now)
    {
        (edits, saved, fault) = (now, null, null);
        await WriteAddress();
        if (writtenPrompt.Length > 0) await Start(); // a text is there: it is written anew
        else await Measure();
    }

    private async Task Measure()
    {
        try
        {
            var (text, with) = (prompt, edits);
            push = with.IsNone ? null : await Explored.Ask(Client.Name, bench => EditStrength.Of(bench, with, PromptAnalysis.Encode(bench, text)), gone);
        }
        catch (OperationCanceledException)
        {
            // The page was left.
        }
        catch (Exception e)
        {
            fault = Faults.Sentence(e);
        }
        if (!gone.IsCancellationRequested) StateHasChanged();
    }

    private async Task Start()
    {
        Stop();
        var mine = writing = CancellationTokenSource.CreateLinkedTokenSource(gone);
        fault = null;
        texts.Clear();
        try
        {
            var sampling = new GenerationRequest { MaxNewTokens = length, Temperature = temperature, Seed = seed }.Sampling(Explored.Options);
            int[] ids = GenerationRequest.Encode(Explored.Tokenizer!, prompt);
            writtenPrompt = prompt;
            await WriteAddress();
            await Measure();
            var bench = await Explored.Bench().WaitAsync(mine.Token);
            long drawn = 0;
            await foreach (var token in TextStream.Write(Explored.Queue, Client.Name, bench, ids, [FeatureEdits.None, edits], sampling, mine.Token))
            {
                if (writing != mine) break; // a later one has the page
                texts.Add(token);
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
            if (writing == mine) fault = Faults.Sentence(e);
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

    private async Task Save()
    {
        (fault, saved) = (null, null);
        try
        {
            var with = edits;
            string called = name;
            saved = await Explored.Ask(Client.Name, bench => SteeredAdapter.Save(bench, Explored, with, called), gone);
        }
        catch (Exception e)
        {
            fault = Faults.Sentence(e);
        }
    }

    private float Maximum(int latent) => Explored.IndexOrFault().Max[latent] is > 0 and var max ? max : 1;

    private double DistinctPairs(int side) => DistinctNgrams.Of([[.. texts[side].Select(t => t.Id)]], 2);

    private async Task WriteAddress()
    {
        try
        {
            await Script.InvokeVoidAsync("explorer.address", gone, new SteerAddress { Edits = edits, Prompt = writtenPrompt, Seed = seed, Temperature = temperature, Length = length }.ToUrl());
        }
        catch (Exception e) when (e is JSDisconnectedException or OperationCanceledException)
        {
            // The page was left.
        }
    }

    private static double Value(ChangeEventArgs e, double otherwise) => double.TryParse(e.Value as string, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : otherwise;

    private static string Text(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose()
    {
        Client.Lost -= Lost;
        Stop();
    }
}
