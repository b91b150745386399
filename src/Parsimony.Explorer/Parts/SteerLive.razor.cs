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
    private FeatureEdits edits = FeatureEdits.None;
    private SidesWriter writer = null!;
    private IReadOnlyList<LatentSuggestion> found = [];
    private string name = "";
    private string? find, saved;
    private double? push;
    private bool isDue; // the address has a text, which is to be written

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
        writer = new SidesWriter(Explored, Client, Script, InvokeAsync, StateHasChanged);
        isDue = writer.Take(Prompt, Seed, Temperature, Length);
        try
        {
            edits = FeatureEdits.Parse(Adapter, Weight, Off, Edit, Explored.IndexOrFault().DSae);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            writer.Fault = Faults.Sentence(e);
        }
    }

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!firstRender || writer.Fault is not null) return;
        if (isDue) await Start();
        else await Measure();
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
        (edits, saved, writer.Fault) = (now, null, null);
        if (writer.Written is not null) await Start(); // a text is there: it is written anew
        else await Begun();
    }

    private Task Start() => writer.Write(FeatureEdits.None, edits, Begun);

    private async Task Begun()
    {
        await writer.Remember(new SidesAddress("steer") { Edits = edits });
        await Measure();
    }

    private async Task Measure()
    {
        var (text, with) = (writer.Prompt, edits);
        push = with.IsNone ? null : await writer.Ask(bench => (double?)EditStrength.Of(bench, with, PromptAnalysis.Encode(bench, text)));
        if (!writer.Gone.IsCancellationRequested) StateHasChanged();
    }

    private async Task Save()
    {
        (writer.Fault, saved) = (null, null);
        var (with, called) = (edits, name);
        saved = await writer.Ask(bench => SteeredAdapter.Save(bench, Explored, with, called));
    }

    private float Maximum(int latent) => Explored.IndexOrFault().Max[latent] is > 0 and var max ? max : 1;

    private double DistinctPairs(int side) => DistinctNgrams.Of([[.. writer.Text[side].Select(t => t.Id)]], 2);

    private static double Value(ChangeEventArgs e, double otherwise) => double.TryParse(e.Value as string, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : otherwise;

    private static string Text(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose() => writer.Dispose();
}
