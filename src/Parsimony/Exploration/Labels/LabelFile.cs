using Microsoft.Data.Sqlite;

namespace Parsimony.Exploration.Labels;

/// <summary>A SQLite file: a connection of its own for each piece of work, and its errors as sentences.</summary>
internal sealed class LabelFile(string path) : IDisposable
{
    private const int SecondsToWait = 30; // for another writer
    private const int Busy = 5, Locked = 6, ReadOnly = 8, InOut = 10, Corrupt = 11, Full = 13, CannotOpen = 14, NotADatabase = 26; // sqlite.org/rescode.html
    private readonly string connect = new SqliteConnectionStringBuilder { DataSource = path, DefaultTimeout = SecondsToWait }.ToString();
    private bool isClosed;

    /// <summary>Where it is.</summary>
    public string Path { get; } = path;

    /// <summary>Does a piece of work.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or not a database.</exception>
    /// <exception cref="IOException">It cannot be opened or written, or others hold it for too long.</exception>
    public T Do<T>(Func<SqliteConnection, T> work)
    {
        ObjectDisposedException.ThrowIf(isClosed, this);
        try
        {
            using var connection = new SqliteConnection(connect);
            connection.Open();
            return work(connection);
        }
        catch (SqliteException e)
        {
            throw e.SqliteErrorCode switch
            {
                NotADatabase or Corrupt => new InvalidDataException($"'{Path}' is damaged or no label store ({e.Message.TrimEnd('.')}). Move it away, then label again.", e),
                Full => new IOException($"'{Path}' was not written: the disk is full. Free some space, then do it again.", e),
                Busy or Locked => new IOException($"'{Path}' was held by another process for {SecondsToWait} seconds. Wait for it to end, then do it again.", e),
                ReadOnly or InOut or CannotOpen => new IOException($"'{Path}' cannot be opened or written ({e.Message.TrimEnd('.')}). Look at the folder's permissions and its disk.", e),
                _ => new InvalidDataException($"'{Path}': {e.Message}", e),
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (isClosed) return;
        isClosed = true;
        using var connection = new SqliteConnection(connect);
        SqliteConnection.ClearPool(connection);
    }
}

/// <summary>Statements with values in them.</summary>
internal static class SqliteStatements
{
    /// <summary>Runs a statement.</summary>
    public static void Run(this SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var command = Command(connection, sql, values);
        command.ExecuteNonQuery();
    }

    /// <summary>The rows of a query.</summary>
    public static List<T> Rows<T>(this SqliteConnection connection, string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        using var command = Command(connection, sql, values);
        using var rows = command.ExecuteReader();
        var list = new List<T>();
        while (rows.Read()) list.Add(read(rows));
        return list;
    }

    // The sql is always ours; what comes from elsewhere are its values.
    private static SqliteCommand Command(SqliteConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        var command = connection.CreateCommand();
#pragma warning disable CA2100 // no text of a user's is in it
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in values) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }
}
