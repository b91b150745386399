namespace Parsimony.Training.Kernels;

/// <summary>
/// The latents that fired, by latent (compressed sparse columns): latent j fired on the tokens <c>Tokens[Offset(j) ..][.. Count(j)]</c>, in
/// rising order, with the values at the same places. The dense <c>[batch, d_sae]</c> matrix never exists.
/// </summary>
/// <remarks>Room is reserved for the case that every latent fires on every token; pages that are never touched cost nothing.</remarks>
internal sealed unsafe class ActiveEntries : IDisposable
{
    /// <summary>The largest batch, since a token's number has 16 bits.</summary>
    public const int MaxBatch = 1 << 16;

    private readonly NativeArray<ushort> tokens;
    private readonly NativeArray<float> values, gradients;
    private readonly NativeArray<float>? inputs, seconds, secondGradients;
    private readonly NativeArray<int> counts;
    private readonly NativeArray<long> offsets;
    private long used;

    /// <param name="batch">Tokens.</param>
    /// <param name="dSae">Latents.</param>
    /// <param name="planes">What is kept of an entry besides its value and its gradient.</param>
    public ActiveEntries(int batch, int dSae, EntryPlanes planes = EntryPlanes.Value)
    {
        long most = (long)batch * dSae;
        (tokens, values, gradients) = (new(most), new(most), new(most));
        if (planes >= EntryPlanes.Input) inputs = new(most);
        if (planes >= EntryPlanes.InputAndSecond) (seconds, secondGradients) = (new(most), new(most));
        (counts, offsets) = (new(dSae), new(dSae));
        DSae = dSae;
    }

    public int DSae { get; }

    /// <summary>Token of each entry.</summary>
    public ushort* Tokens => tokens.Pointer;

    /// <summary>Latent's value at each entry.</summary>
    public float* Values => values.Pointer;

    /// <summary>Gradient of the loss by each value.</summary>
    public float* Gradients => gradients.Pointer;

    /// <summary>What the encoder gave, where the value is something else.</summary>
    public float* Inputs => inputs!.Pointer;

    /// <summary>What the second reconstruction is made of.</summary>
    public float* Seconds => seconds!.Pointer;

    /// <summary>Gradient of the loss by each of these.</summary>
    public float* SecondGradients => secondGradients!.Pointer;

    /// <summary>Entries of each latent, <c>[d_sae]</c>.</summary>
    public int* Counts => counts.Pointer;

    /// <summary>Where each latent's entries begin, <c>[d_sae]</c>.</summary>
    public long* Offsets => offsets.Pointer;

    /// <summary>Entries in all.</summary>
    public long Total => Interlocked.Read(ref used);

    /// <summary>Forgets all entries.</summary>
    public void Clear() => used = 0;

    /// <summary>Reserves room; any thread may ask.</summary>
    /// <returns>Where it begins. Which thread got which place decides nothing: everything is read by latent.</returns>
    public long Reserve(long entries) => Interlocked.Add(ref used, entries) - entries;

    public void Dispose()
    {
        foreach (IDisposable? array in (IDisposable?[])[tokens, values, gradients, inputs, seconds, secondGradients, counts, offsets]) array?.Dispose();
    }
}

/// <summary>What is kept of an entry, each with all before it.</summary>
internal enum EntryPlanes
{
    /// <summary>Token, value and gradient.</summary>
    Value,

    /// <summary>What the encoder gave, too.</summary>
    Input,

    /// <summary>A second value with its own gradient, too.</summary>
    InputAndSecond,
}
