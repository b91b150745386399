using Microsoft.AspNetCore.Http;
using Parsimony.Explorer.Model;

namespace Parsimony.Explorer;

/// <summary>What becomes of an error: a sentence for the one who asked, never a stack trace.</summary>
public static class Faults
{
    /// <summary>An error as a sentence. One that was not foreseen is named by its kind; where it was thrown goes to the server's log, not to the page.</summary>
    public static string Sentence(Exception error) => error switch
    {
        BusyException or ArgumentException or InvalidDataException or IOException or InvalidOperationException or NotSupportedException => error.Message.Split(" (Parameter '")[0],
        OutOfMemoryException => "memory is used up; try a shorter text.",
        OperationCanceledException => "it was stopped.",
        _ => $"something unforeseen happened ({error.GetType().Name}); the terminal in which the explorer runs may say more.",
    };

    /// <summary>The status of an answer that says so.</summary>
    internal static int Status(Exception error) => error switch
    {
        BusyException => StatusCodes.Status503ServiceUnavailable,
        BadHttpRequestException bad => bad.StatusCode,
        ArgumentOutOfRangeException or FileNotFoundException or DirectoryNotFoundException => StatusCodes.Status404NotFound,
        ArgumentException => StatusCodes.Status400BadRequest,
        InvalidDataException or InvalidOperationException => StatusCodes.Status409Conflict,
        _ => StatusCodes.Status500InternalServerError,
    };

    internal static async Task Invoke(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Whoever asked has left.
        }
        catch (Exception error) when (!context.Response.HasStarted)
        {
            if (Status(error) == StatusCodes.Status500InternalServerError) await Console.Error.WriteLineAsync(error.ToString());
            context.Response.Clear();
            context.Response.StatusCode = Status(error);
            await context.Response.WriteAsJsonAsync(new { error = Sentence(error) }, CancellationToken.None);
        }
    }
}
