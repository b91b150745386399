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
    private FeatureEdits edits = FeatureEdits.None;
    private SidesWriter writer = null!;
    private Comparison? of;
    private TokenContributions? contributions;
    private IReadOnlyList<string?> labels = []; // of the latents that contribute most
    private int? picked;
    private int askedFor;
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

    private SideBySide Text => writer.Text;

    private SidesAddress View => new() { Edits = edits, Rank = Rank, Sort = Sort, Page = Page, Feature = Feature };

    private SidesAddress Address => writer.In(View);

    private bool HasLabels => labels.Any(label => label is not null);

    private string Caption => edits is { Weight: 1, Off.Count: 0 } ? $"With “{Adapter}”"
        : $"With “{Adapter}”{(edits.Weight == 1 ? "" : $" × {Shown(edits.Weight)}")}{(edits.Off.Count == 0 ? "" : $", {edits.Off.Count} latents off")}";

    private string Status => writer.IsWriting ? "Writing…" : writer.Written is null ? "Nothing was written yet." : Text.FirstDifference is { } first
        ? $"The sides differ from token {first} on." : Text[0].Count == Text[1].Count ? $"Both sides wrote the same {Text[0].Count} tokens." : "It was stopped.";

    /// <inheritdoc/>
    protected override void OnInitialized() => writer = new SidesWriter(Explored, Client, Script, InvokeAsync, StateHasChanged);

    /// <inheritdoc/>
    protected override void OnParametersSet()
    {
        try
        {
            of = Comparison.Of(Explored, Adapter, Rank == "predicted");
            var asked = View with { Edits = FeatureEdits.Parse(Adapter, Weight, Off, null, of!.DSae), Prompt = Prompt ?? "", Seed = Seed, Temperature = Temperature, Length = Length };
            if (isSet && Address.ToUrl() == asked.ToUrl()) return; // another page or order of the table: the text stays
            (isSet, contributions, picked, edits) = (true, null, null, asked.Edits);
            isDue = writer.Take(Prompt, Seed, Temperature, Length);
        }
        catch (Exception e) when (e is ArgumentException or IOException or InvalidDataException)
        {
            writer.Fault = Faults.Sentence(e);
        }
    }

    /// <inheritdoc/>
    protected override async Task OnAfterRenderAsync(bool firstRender)
    {
        if (!isDue) return;
        isDue = false;
        await Start();
    }

    private Task Start()
    {
        (contributions, picked) = (null, null);
        return writer.Write(GenerationRequest.AtRest(edits), edits, Remember);
    }

    private Task Remember() => writer.Remember(View);

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

    private Task Again() => writer.Written is null ? Remember() : Start();

    private async Task Pick(ChangeEventArgs e)
    {
        if (writer.Written is not { } with || !int.TryParse(e.Value as string, CultureInfo.InvariantCulture, out int i) || i < 0 || i >= Text[1].Count) return;
        (picked, contributions, writer.Fault, askedFor) = (i, null, null, Text[1][i].Id);
        int[] before = [.. with.Ids, .. Text[1].Take(i).Select(t => t.Id)];
        contributions = await writer.Ask(bench => TokenContributions.Of(bench, with.Edits, before, with.Ids.Length, askedFor));
        labels = Explored.LabelsOf([.. contributions?.Largest.Select(one => one.Latent) ?? []]);
    }

    private static string Percent(double share) => (share < 0 ? "−" : "") + Number.Percent(Math.Abs(share));

    private static string Shown(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose() => writer.Dispose();
}
