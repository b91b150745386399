namespace Parsimony.Splicing;

/// <summary>What a spliced-in SAE hands on. <c>z = (m - b_dec) W_enc + b_enc</c> are the pre-activations of the model's own activation m.</summary>
public enum SpliceMode
{
    /// <summary>The reconstruction takes the activation's place (the article): <c>m' = relu(c * z + d) W_dec + b_dec</c>.</summary>
    Replace,

    /// <summary>Only what the dials change is added, so that the SAE's error is kept:
    /// <c>m' = m + [relu(c * z + d) - relu(z)] W_dec</c>. At c = 1, d = 0 it is bitwise the plain model.</summary>
    Delta,
}
