using System.Runtime.InteropServices;

namespace Parsimony.Exploration.Index;

/// <summary>An example as it is on disk, before its window.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct ExampleHead
{
    public uint Context;
    public ushort Position;
    public byte Kind;
    public byte Fires;
    public float Value;
}

/// <summary>A latent's examples on disk: its strongest contexts (kind 0), then the samples of its intervals (kind 1 to 8).</summary>
internal static class PackedExamples
{
    /// <summary>Bytes of an <see cref="ExampleHead"/>.</summary>
    public const int HeadBytes = 12;

    /// <summary>Reads them all.</summary>
    /// <param name="bytes">A latent's part of the section.</param>
    /// <param name="header">The index's.</param>
    /// <param name="context">The tokens of a context.</param>
    /// <exception cref="InvalidDataException">They do not fit the text or the section.</exception>
    public static List<(int Kind, FeatureContext Context)> Read(ReadOnlySpan<byte> bytes, IndexHeader header, Func<int, int[]> context)
    {
        var examples = new List<(int, FeatureContext)>();
        while (!bytes.IsEmpty)
        {
            var head = bytes.Length >= HeadBytes ? MemoryMarshal.Read<ExampleHead>(bytes) : default;
            int end = HeadBytes + 3 * head.Fires;
            int start = Math.Max(0, head.Position - header.Options.TokensBefore), length = Math.Min(header.SequenceLength, head.Position + header.Options.TokensAfter + 1) - start;
            if (end > bytes.Length || head.Position >= header.SequenceLength || head.Context >= header.Contexts) throw Damaged();
            var activations = new float[length];
            for (int at = HeadBytes; at < end; at += 3)
            {
                if (bytes[at] >= length) throw Damaged();
                activations[bytes[at]] = ShortActivation.ToSingle(MemoryMarshal.Read<ushort>(bytes[(at + 1)..]));
            }
            activations[head.Position - start] = head.Value;
            int[] ids = context((int)head.Context);
            examples.Add((head.Kind, new([.. activations.Select((a, t) => new TokenActivation(ids[start + t], a))], head.Position - start, (int)head.Context, head.Position)));
            bytes = bytes[end..];
        }
        return examples;
    }

    private static InvalidDataException Damaged() => new($"an example of the index does not fit its text; it is damaged. {IndexFile.Again}");
}
