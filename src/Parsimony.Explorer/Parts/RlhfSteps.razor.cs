using System.Globalization;
using Microsoft.AspNetCore.Components;
using Microsoft.JSInterop;
using Parsimony.Explorer.Comparing;
using Parsimony.Explorer.Runs;
using Parsimony.FineTuning.Policy;

namespace Parsimony.Explorer.Parts;

/// <summary>The steps of a learning.</summary>
public sealed partial class RlhfSteps
{
    private readonly CancellationTokenSource gone = new();
    private IReadOnlyList<long> steps = [];
    private IReadOnlyList<PolicySample> samples = [];
    private Trajectories? paths;
    private int at;
    private string? fault;

    /// <summary>finetune, dpo or rlhf.</summary>
    [Parameter, EditorRequired] public required string Of { get; set; }

    /// <summary>The step that is shown; null: the last.</summary>
    [Parameter] public long? Step { get; set; }

    /// <summary>The latent whose line stands out; null: the one moved most.</summary>
    [Parameter] public int? Feature { get; set; }

    private string SamplesFile => Path.Combine(Explored.Run.Files.Rlhf, "samples.jsonl");

    private int? Chosen => Feature ?? (paths is { Latents: [var first, ..] } ? first.Latent : null);

    /// <summary>The last row of the trajectory at or before the step; null: before the first.</summary>
    private int? Row => paths is not null && paths.Steps.TakeWhile(s => s <= steps[at]).Count() is var n and > 0 ? n - 1 : null;

    private long Here => Row is { } row ? paths!.Steps[row] : 0;

    private IReadOnlyList<(string, string)> Key => Chosen is { } latent ? [($"latent {latent}", ""), ("the others moved most", "third")] : [];

    /// <inheritdoc/>
    protected override void OnParametersSet() => Read(Step);

    /// <inheritdoc/>
    protected override void OnAfterRender(bool firstRender)
    {
        if (firstRender) _ = Watch();
    }

    private async Task Watch()
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(2));
        try
        {
            while (await timer.WaitForNextTickAsync(gone.Token))
                if (Explored.Run.IsRunning) await InvokeAsync(() =>
                {
                    Read(steps.Count == 0 || at == steps.Count - 1 ? null : steps[at]); // who looks at the last step goes along with it
                    StateHasChanged();
                });
        }
        catch (OperationCanceledException)
        {
            // The page was left.
        }
    }

    private void Read(long? step)
    {
        try
        {
            paths = Trajectories.Of(Explored, Of, besides: Feature);
            steps = [.. (Of == "rlhf" ? SampleLog.Steps(SamplesFile) : []).Union(paths?.Steps ?? []).Order()];
            at = step is null ? Math.Max(0, steps.Count - 1) : Math.Max(0, steps.TakeWhile(s => s <= step).Count() - 1);
            Samples();
            fault = null;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or ArgumentException)
        {
            fault = Faults.Sentence(e);
        }
    }

    private void Samples() => samples = Of == "rlhf" && steps.Count > 0 ? SampleLog.Of(SamplesFile, steps[at]) : [];

    private void Go(ChangeEventArgs e)
    {
        if (!int.TryParse(e.Value as string, CultureInfo.InvariantCulture, out int index) || index < 0 || index >= steps.Count) return;
        at = index;
        Samples();
    }

    private async Task Gone(ChangeEventArgs e)
    {
        Go(e);
        try
        {
            await Script.InvokeVoidAsync("explorer.address", gone.Token, Url(steps[at], Feature));
        }
        catch (Exception error) when (error is JSDisconnectedException or OperationCanceledException)
        {
            // The page was left.
        }
    }

    private string Url(long step, int? feature) => $"rlhf?of={Of}&step={step}" + (feature is { } f ? $"&feature={f}" : "");

    private Plot Picture(Func<Trajectory, double[]> of, double rest)
    {
        double[] x = [0, .. paths!.Steps.Select(s => (double)s)];
        var plot = new Plot((0, x[^1]), Plot.Ends(paths.Latents.SelectMany(of).Append(rest)), "step", "");
        foreach (var t in paths.Latents.OrderBy(t => t.Latent == Chosen ? 1 : 0)) plot.Line(x, [rest, .. of(t)], t.Latent == Chosen ? "" : "third");
        plot.Points(paths.Latents.Select(t => (x[^1], of(t)[^1], (string?)$"latent {t.Latent}: {Reporting.Number.Loss(of(t)[^1])}", (string?)Url(steps[at], t.Latent))), "second", 4);
        return plot.Rule(steps[at]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        gone.Cancel();
        gone.Dispose();
    }
}
