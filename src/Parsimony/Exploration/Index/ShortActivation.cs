namespace Parsimony.Exploration.Index;

/// <summary>An activation in two bytes: the upper half of a float32 without its sign, which an activation has no use for. Off by 1 part in 512 at most, and never too large.</summary>
internal static class ShortActivation
{
    private const int Dropped = 15;

    /// <summary>The nearest; of two equally near the even one.</summary>
    public static ushort Of(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + (1 << (Dropped - 1)) - 1 + ((bits >> Dropped) & 1)) >> Dropped);
    }

    /// <summary>Back.</summary>
    public static float ToSingle(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << Dropped);
}
