namespace Parsimony.Cli;

/// <summary>Marks an options property that is given without a flag: <c>parsimony inspect PATH</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class PositionalAttribute : Attribute;
