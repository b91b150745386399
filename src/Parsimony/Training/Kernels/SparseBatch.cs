using static TorchSharp.torch;

namespace Parsimony.Training.Kernels;

/// <summary>What a rule needs of a step to find its entries.</summary>
/// <param name="X"><c>[batch, d_model]</c>.</param>
/// <param name="Inputs">The schedules' numbers.</param>
/// <param name="Encoder">Finds entries.</param>
/// <param name="Active">Where they go; empty.</param>
/// <param name="Team">For what can be shared.</param>
/// <param name="NoFloors">Zeros, a floor for each token of the padded batch.</param>
/// <param name="WEnc"><c>[d_sae, d_model]</c>.</param>
/// <param name="WDec"><c>[d_sae, d_model]</c>.</param>
/// <param name="OffInput">b_dec, where the encoder takes it off its input; else null.</param>
internal sealed record SparseBatch(
    Tensor X, SaeStepInputs Inputs, IEncoderProduct Encoder, ActiveEntries Active, ThreadTeam Team, NativeArray<float> NoFloors, Tensor WEnc, Tensor WDec, Tensor? OffInput)
{
    /// <summary>Tokens.</summary>
    public int Tokens => (int)X.shape[0];
}
