namespace Parsimony.Exploration.Labels;

/// <summary>A label that says, of every token, how strongly the latent fires on it.</summary>
public interface ITokenPredictor
{
    /// <summary>The label in words.</summary>
    string Text { get; }

    /// <summary>What the latent does on a piece of text.</summary>
    /// <param name="tokens">Token ids, in order.</param>
    /// <returns>An activation for each, 0 where the latent is silent.</returns>
    float[] Predict(IReadOnlyList<int> tokens);
}
