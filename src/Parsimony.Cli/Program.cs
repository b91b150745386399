using System.Globalization;
using System.Text;
using Parsimony.Cli;

CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var interrupt = Interrupt.Listen(Console.Error);
return App.Run(args, Console.Out, Console.Error, interrupt.Token);
