namespace Parsimony.Explorer;

/// <summary>Who asks: one page in one browser, or one request. Turns with the model are given to clients.</summary>
public sealed class Client : IDisposable
{
    private readonly CancellationTokenSource gone = new();

    /// <summary>A name of its own.</summary>
    public string Name { get; } = Guid.NewGuid().ToString("n");

    /// <summary>Called off when the page is closed or its connection is lost for good.</summary>
    public CancellationToken Gone => gone.Token;

    /// <summary>Told when its connection breaks off. It may come back; what was being written for it should stop.</summary>
    public event Action? Lost;

    internal void Lose() => Lost?.Invoke();

    /// <inheritdoc/>
    public void Dispose()
    {
        gone.Cancel();
        gone.Dispose();
    }
}
