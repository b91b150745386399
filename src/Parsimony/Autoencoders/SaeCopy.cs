using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders;

/// <summary>The same autoencoder with other tensors: on another device, or in another scale.</summary>
public static class SaeCopy
{
    /// <summary>The same autoencoder on a device: itself where it is there already, else a copy, and the original is disposed.</summary>
    /// <param name="sae">Any architecture of this project.</param>
    /// <param name="device">Where to.</param>
    /// <exception cref="NotSupportedException">An architecture that this does not know.</exception>
    public static ISparseAutoencoder On(this ISparseAutoencoder sae, Device device)
    {
        if (sae.WDec.device_type == device.type && (device.type == DeviceType.CPU || sae.WDec.device_index == device.index)) return sae;
        using var scope = NewDisposeScope();
        var copy = sae.With((_, weight) => weight.to(device));
        sae.Dispose();
        return copy;
    }

    /// <summary>An autoencoder of the same architecture whose weights are made from this one's.</summary>
    /// <param name="sae">Stays the caller's.</param>
    /// <param name="change">From a weight's name on disk and the weight to what is copied in its place, of the same shape.</param>
    /// <exception cref="NotSupportedException">An architecture that this does not know.</exception>
    internal static ISparseAutoencoder With(this ISparseAutoencoder sae, Func<string, Tensor, Tensor> change)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var w = sae.Weights.ToDictionary(weight => weight.Key, weight => change(weight.Key, weight.Value));
        return sae switch
        {
            StandardSae t => new StandardSae(w["W_enc"], w["W_dec"], w["b_enc"], w["b_dec"], t.ApplyBDecToInput),
            JumpReluSae t => new JumpReluSae(w["W_enc"], w["W_dec"], w["b_enc"], w["b_dec"], w["threshold"], t.ApplyBDecToInput),
            TopKSae t => new TopKSae(w["W_enc"], w["W_dec"], w["b_enc"], w["b_dec"], t.K, t.ApplyBDecToInput),
            GatedSae t => new GatedSae(w["W_enc"], w["W_dec"], w["b_gate"], w["b_mag"], w["r_mag"], w["b_dec"], t.ApplyBDecToInput),
            Transcoder t => new Transcoder(w["W_enc"], w["W_dec"], w["b_enc"], w["b_dec"], w.GetValueOrDefault("W_skip"), t.K),
            _ => throw new NotSupportedException($"An SAE of architecture '{sae.Architecture}' can be neither moved nor scaled; train it with activation_scaling raw, on the cpu."),
        };
    }
}
