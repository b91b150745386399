using Microsoft.AspNetCore.Components.Server.Circuits;

namespace Parsimony.Explorer;

/// <summary>Tells a page's client when its connection breaks off: the page itself is kept for a while, in case it comes back.</summary>
internal sealed class ConnectionWatch(Client client) : CircuitHandler
{
    public override Task OnConnectionDownAsync(Circuit circuit, CancellationToken cancellationToken)
    {
        client.Lose();
        return Task.CompletedTask;
    }
}
