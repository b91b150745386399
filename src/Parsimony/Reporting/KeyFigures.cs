namespace Parsimony.Reporting;

/// <summary>The top of the page: the run in one sentence, and its numbers as cards.</summary>
internal static class KeyFigures
{
    /// <summary>The run in one or two sentences, from what is known.</summary>
    public static string Sentence(RunReport r)
    {
        var sentences = new List<string>();
        if (r.DSae is { } latents && r.L0 is { } l0)
            sentences.Add(
                $"A sparse autoencoder explains this layer with {Number.Text(l0)} of its {Number.Count(latents)} latents per token"
                + r.CeLossRecovered switch
                {
                    null => ".",
                    < 0 => ", but the model is better off with the layer set to zero.",
                    { } kept => $" and keeps {Number.Percent(kept)} of what the layer does for the loss.",
                });
        if (r.Finetune is { } tuned)
            sentences.Add($"Learning only two numbers per latent moved held-out loss from {Number.Loss(tuned.HeldoutBefore)} to "
                + $"{Number.Loss(tuned.HeldoutAfter)}"
                + (tuned.HeldoutNullAfter is { } none ? $"; the same training without a signal ended at {Number.Loss(none)}." : "."));
        if (r.Rlhf is { HitsRewardedBefore: { } hits, HitsRewardedAfter: { } left } learnt)
            sentences.Add($"Learning from rewards took the rewarded words from {Number.Text(hits)} to {Number.Text(left)} per 1000 tokens"
                + (learnt.NullHitsRewardedAfter is { } noise ? $"; rewards without a meaning ended at {Number.Text(noise)}." : "."));
        return Html.Escape(string.Join(" ", sentences));
    }

    /// <summary>The cards.</summary>
    public static string Cards(RunReport r)
    {
        var cards = new List<string>();
        if (r.CeLossRecovered is { } recovered)
            cards.Add(Card("Loss recovered", Number.Percent(recovered), Losses(r)));
        if (r.ExplainedVariance is { } explained)
            cards.Add(Card("Explained variance", Number.Text(explained), "of the activations, 1 is perfect"
                + (r.L2Ratio is { } length ? $"; the reconstructions are {Number.Percent(length)} as long" : "")));
        if (r.L0 is { } l0)
            cards.Add(Card("L0", Number.Text(l0), "active latents per token"
                + (r.DSae is { } n ? $", {Number.Percent(l0 / n)} of {Number.Count(n)}" : "")));
        if (r.DeadFraction is { } dead)
            cards.Add(Card("Dead latents", Number.Percent(dead), "never fire on the evaluation text"
                + (r.EvaluatedTokens is { } seen ? $", {Number.Short(seen)} tokens" : "")));
        if (r.Finetune is { } tuned)
        {
            string arrow = "<span class=\"to\"> → </span>";
            cards.Add(Card("Held-out loss", Number.Loss(tuned.HeldoutBefore) + arrow + Number.Loss(tuned.HeldoutAfter),
                "before and after fine-tuning" + (tuned.HeldoutNullAfter is { } none ? $"; {Number.Loss(none)} without a signal" : "")));
            cards.Add(Card("Learned numbers", Number.Count(tuned.TrainableParameters),
                "c and d; the model and the autoencoder stay frozen"));
        }
        if (r.TokensSeen is { } tokens) cards.Add(Card("Tokens seen", Number.Short(tokens), "by the autoencoder in training"));
        if (r.Seconds is { Count: > 0 } seconds) cards.Add(Card("Time", Number.Duration(seconds.Values.Sum()), "for all steps together"));
        return cards.Count == 0 ? "" : $"<div class=\"cards\">\n{string.Join("\n", cards)}\n</div>";
    }

    private static string Losses(RunReport r) => r is { CeClean: { } clean, CeSpliced: { } spliced, CeZeroAblated: { } zero }
        ? $"loss {Number.Loss(clean)} plain, {Number.Loss(spliced)} spliced, {Number.Loss(zero)} with the layer at zero"
        : "of the gap to a layer set to zero";

    private static string Card(string name, string value, string meaning) =>
        $"<div class=\"card\"><h3>{name}</h3><p class=\"value\">{value}</p><p>{Html.Escape(meaning)}</p></div>";
}
