Console.WriteLine(string.Join("\n", Parsimony.Native.TorchRuntime.Describe()));
