using System.Threading.Channels;
using Parsimony.Models;

namespace Parsimony.Explorer.Model;

/// <summary>A token that was just written.</summary>
/// <param name="Side">Which of the texts that are written together, from 0.</param>
/// <param name="Id">Its id.</param>
/// <param name="LogProb">Its log-probability as it was drawn from, before temperature, nats.</param>
public readonly record struct WrittenToken(int Side, int Id, double LogProb);

/// <summary>Texts that a model writes token by token, several sides of one prompt in step with each other, while others have their turns.</summary>
public static class TextStream
{
    /// <summary>Writes on from a prompt once for every side, each with the same random numbers.</summary>
    /// <param name="queue">The model's thread.</param>
    /// <param name="client">Whose turns it takes.</param>
    /// <param name="bench">The model.</param>
    /// <param name="prompt">Token ids, one or more.</param>
    /// <param name="sides">What is done to the model on each side.</param>
    /// <param name="sampling">How tokens are drawn.</param>
    /// <param name="cancellation">Stops between two tokens.</param>
    public static async IAsyncEnumerable<WrittenToken> Write(ModelQueue queue, string client, Workbench bench, int[] prompt, IReadOnlyList<FeatureEdits> sides, SamplingOptions sampling,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation = default)
    {
        var channel = Channel.CreateUnbounded<WrittenToken>(); // as many as were asked for at most
        var models = new List<EditedModel>();
        var sessions = new List<GenerationSession>();
        int turn = 0;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var done = queue.Steps(client, () =>
        {
            if (sessions.Count == 0) foreach (var edits in sides)
            {
                models.Add(bench.Edited(edits));
                sessions.Add(new GenerationSession(bench.Model, [prompt], sampling, models[^1].WhileGenerating(prompt.Length), bench.Tokenizer.EndOfTextId));
            }
            int side = Enumerable.Range(turn, sides.Count).Select(i => i % sides.Count).First(i => !sessions[i].IsDone);
            turn = side + 1;
            sessions[side].Step(onDraw: (logits, drawn) =>
            {
                using var p = logits[0].log_softmax(-1);
                channel.Writer.TryWrite(new WrittenToken(side, (int)drawn[0], p[drawn[0]].item<float>()));
            });
            return sessions.Any(s => !s.IsDone);
        }, () =>
        {
            foreach (var session in sessions) session.Dispose();
            foreach (var model in models) model.Dispose();
            channel.Writer.Complete();
        }, stop.Token);
        try
        {
            await foreach (var token in channel.Reader.ReadAllAsync(CancellationToken.None)) yield return token;
            await done;
        }
        finally
        {
            await stop.CancelAsync(); // who stops listening stops the writing
        }
    }
}
