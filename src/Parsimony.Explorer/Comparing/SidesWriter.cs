using Microsoft.JSInterop;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer.Comparing;

/// <summary>
/// Two sides that are written for a live page: what they are asked for, and the text as it comes, one at a time. It stops when a later one is asked for, when the page is left, and when its
/// connection breaks off. Used on the page's own thread.
/// </summary>
internal sealed class SidesWriter : IDisposable
{
    private const int RedrawMilliseconds = 50;

    private readonly Explored explored;
    private readonly Client client;
    private readonly IJSRuntime script;
    private readonly Func<Action, Task> invoke;
    private readonly Action redraw;
    private CancellationTokenSource? writing;
    private string asked = "";

    /// <summary>Nothing is written yet.</summary>
    /// <param name="explored">The run.</param>
    /// <param name="client">The page.</param>
    /// <param name="script">Its script.</param>
    /// <param name="invoke">Does something on its thread.</param>
    /// <param name="redraw">Draws it anew.</param>
    public SidesWriter(Explored explored, Client client, IJSRuntime script, Func<Action, Task> invoke, Action redraw)
    {
        (this.explored, this.client, this.script, this.invoke, this.redraw, Gone) = (explored, client, script, invoke, redraw, client.Gone);
        Text = new SideBySide(explored.Tokenizer!);
        client.Lost += Lose;
    }

    /// <summary>What is to be gone on from.</summary>
    public string Prompt { get; set; } = "";

    /// <summary>Seed of both sides.</summary>
    public long Seed { get; set; }

    /// <summary>Divides the logits.</summary>
    public double Temperature { get; set; }

    /// <summary>New tokens at most.</summary>
    public int Length { get; set; }

    /// <summary>Both sides so far.</summary>
    public SideBySide Text { get; }

    /// <summary>What they were written with; null: nothing is written, or it failed.</summary>
    public (string Prompt, int[] Ids, FeatureEdits Edits)? Written { get; private set; }

    /// <summary>What went wrong; null: nothing.</summary>
    public string? Fault { get; set; }

    /// <summary>Whether something is being written.</summary>
    public bool IsWriting => writing is not null;

    /// <summary>Called off when the page is left.</summary>
    public CancellationToken Gone { get; }

    /// <summary>Begins anew with what an address asks for.</summary>
    /// <returns>Whether it asks for a text.</returns>
    public bool Take(string? prompt, long seed, double temperature, int length)
    {
        Stop();
        Text.Clear();
        (Written, Fault, asked, Seed, Temperature, Length) = (null, null, prompt ?? "", seed, temperature, length);
        Prompt = asked.Length > 0 ? asked : explored.Run.Report?.Samples is [var sample, ..] ? sample.Prompt : "Once upon a time";
        return asked.Length > 0;
    }

    /// <summary>A page's address with what its text was asked for.</summary>
    public SidesAddress In(SidesAddress page) => page with { Prompt = Written?.Prompt ?? asked, Seed = Seed, Temperature = Temperature, Length = Length };

    /// <summary>Writes both sides; what was being written is stopped.</summary>
    /// <param name="rest">What is done to the SAE on the side it is compared with.</param>
    /// <param name="edits">What is done to it on the other.</param>
    /// <param name="begun">Done once it is known what is written, before its first token.</param>
    public async Task Write(FeatureEdits rest, FeatureEdits edits, Func<Task> begun)
    {
        Stop();
        var mine = writing = CancellationTokenSource.CreateLinkedTokenSource(Gone);
        Fault = null;
        Text.Clear();
        try
        {
            var sampling = new GenerationRequest { MaxNewTokens = Length, Temperature = Temperature, Seed = Seed }.Sampling(explored.Options);
            int[] ids = explored.Tokenizer!.EncodePrompt(Prompt);
            Written = (Prompt, ids, edits);
            redraw();
            await begun();
            var bench = await explored.Bench().WaitAsync(mine.Token);
            long drawn = 0;
            await foreach (var token in TextStream.Write(explored.Queue, client.Name, bench, ids, [rest, edits], sampling, mine.Token))
            {
                if (writing != mine) break; // a later one has the page
                Text.Add(token);
                if (Environment.TickCount64 - drawn < RedrawMilliseconds) continue;
                drawn = Environment.TickCount64;
                redraw();
            }
        }
        catch (OperationCanceledException)
        {
            // It was stopped.
        }
        catch (Exception e)
        {
            if (writing == mine) (Fault, Written) = (Faults.Sentence(e), null);
        }
        finally
        {
            if (writing == mine) writing = null;
            mine.Dispose();
        }
        if (!Gone.IsCancellationRequested) redraw();
    }

    /// <summary>Stops what is being written; what is there stays.</summary>
    public void Stop()
    {
        var mine = writing;
        writing = null;
        mine?.Cancel();
    }

    /// <summary>Writes the page's state into the browser's address.</summary>
    public async Task Remember(SidesAddress page)
    {
        try
        {
            await script.InvokeVoidAsync("explorer.address", Gone, In(page).ToUrl());
        }
        catch (Exception e) when (e is JSDisconnectedException or OperationCanceledException)
        {
            // The page was left.
        }
    }

    /// <summary>Does what needs the model; a fault becomes a sentence.</summary>
    /// <returns>Null where it failed, or the page was left.</returns>
    public async Task<T?> Ask<T>(Func<Workbench, T> work)
    {
        try
        {
            return await explored.Ask(client.Name, work, Gone);
        }
        catch (OperationCanceledException)
        {
            // The page was left.
        }
        catch (Exception e)
        {
            Fault = Faults.Sentence(e);
        }
        return default;
    }

    private void Lose() => _ = invoke(() =>
    {
        Stop();
        redraw();
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        client.Lost -= Lose;
        Stop();
    }
}
