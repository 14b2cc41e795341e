using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace Alpro.Tests.Support.House;

/// <summary>
/// Who uses whom, as the compiled assemblies say: rooms are namespaces, and an arrow leads from the one that uses to the one that is used.
/// </summary>
internal sealed class Dependencies : IDisposable
{
    private readonly List<AssemblyDefinition> _assemblies;
    private readonly HashSet<string> _names;
    private readonly SortedDictionary<(string From, string To), SortedSet<string>> _arrows = [];

    /// <param name="assemblies">The files of the assemblies; whatever they use outside of each other is not looked at.</param>
    public Dependencies(IEnumerable<string> assemblies)
    {
        _assemblies = [.. assemblies.Select(file => AssemblyDefinition.ReadAssembly(file))];
        _names = [.. _assemblies.Select(assembly => assembly.Name.Name)];
        foreach (TypeDefinition type in _assemblies.SelectMany(assembly => assembly.MainModule.Types)
            .Where(type => type.Namespace.Length > 0)) Add(type, type);
    }

    /// <summary>The arrows between rooms, with some of the uses behind each: <c>user -> used</c>.</summary>
    public IReadOnlyDictionary<(string From, string To), SortedSet<string>> Arrows => _arrows;

    /// <summary>The project references of the assemblies among each other.</summary>
    public IEnumerable<(string From, string To)> Projects =>
        from assembly in _assemblies
        from used in assembly.MainModule.AssemblyReferences
        where _names.Contains(used.Name)
        select (assembly.Name.Name, used.Name);

    /// <summary>Types that other assemblies can see.</summary>
    public int PublicTypes => _assemblies.Sum(
        assembly => assembly.MainModule.GetAllTypes().Count(type => type.IsPublic || type.IsNestedPublic));

    /// <summary>The circles: groups of rooms of which each reaches all others.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Circles()
    {
        string[] rooms = [.. _arrows.Keys.SelectMany(arrow => new[] { arrow.From, arrow.To }).Distinct().Order(StringComparer.Ordinal)];
        ILookup<string, string> uses = _arrows.Keys.ToLookup(arrow => arrow.From, arrow => arrow.To);
        var reached = rooms.ToDictionary(room => room, Reach);
        return [.. rooms.Where(room => reached[room].Contains(room))
            .GroupBy(room => string.Join(' ', rooms.Where(other => reached[room].Contains(other) && reached[other].Contains(room))))
            .Select(circle => circle.ToArray())];

        HashSet<string> Reach(string from)
        {
            var seen = new HashSet<string>();
            var open = new Stack<string>(uses[from]);
            while (open.TryPop(out string? room))
                if (seen.Add(room))
                    foreach (string next in uses[room]) open.Push(next);
            return seen;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (AssemblyDefinition assembly in _assemblies) assembly.Dispose();
    }

    /// <summary>Adds what a type, or one nested in it, names in signatures, attributes and code.</summary>
    private void Add(TypeDefinition top, TypeDefinition type)
    {
        Use(top, type.BaseType);
        foreach (InterfaceImplementation implemented in type.Interfaces) Use(top, implemented.InterfaceType);
        foreach (CustomAttribute attribute in type.CustomAttributes) Use(top, attribute.AttributeType);
        foreach (FieldDefinition field in type.Fields) Use(top, field.FieldType);
        foreach (MethodDefinition method in type.Methods)
        {
            Use(top, method.ReturnType);
            foreach (ParameterDefinition parameter in method.Parameters) Use(top, parameter.ParameterType);
            if (!method.HasBody) continue;
            foreach (VariableDefinition local in method.Body.Variables) Use(top, local.VariableType);
            foreach (ExceptionHandler handler in method.Body.ExceptionHandlers) Use(top, handler.CatchType);
            foreach (Instruction instruction in method.Body.Instructions)
            {
                switch (instruction.Operand)
                {
                    case TypeReference used:
                        Use(top, used);
                        break;
                    case MethodReference used:
                        Use(top, used.DeclaringType);
                        Use(top, used.ReturnType);
                        if (used is GenericInstanceMethod generic) foreach (TypeReference argument in generic.GenericArguments)
                            Use(top, argument);
                        break;
                    case FieldReference used:
                        Use(top, used.DeclaringType);
                        Use(top, used.FieldType);
                        break;
                }
            }
        }
        foreach (TypeDefinition nested in type.NestedTypes) Add(top, nested);
    }

    private void Use(TypeDefinition by, TypeReference? used)
    {
        if (used is GenericInstanceType generic) foreach (TypeReference argument in generic.GenericArguments) Use(by, argument);
        while (used is TypeSpecification specification) used = specification.ElementType;
        if (used is null or GenericParameter) return;
        while (used.DeclaringType is { } outer) used = outer;
        string assembly = used.Scope is ModuleDefinition module ? module.Assembly.Name.Name : used.Scope.Name;
        if (used.Namespace == by.Namespace || used.Namespace.Length == 0 || used.Namespace.StartsWith("System", StringComparison.Ordinal)
            || !_names.Contains(assembly)) return;
        if (!_arrows.TryGetValue((by.Namespace, used.Namespace), out SortedSet<string>? uses))
            _arrows.Add((by.Namespace, used.Namespace), uses = new(StringComparer.Ordinal));
        uses.Add($"{by.Name} -> {used.Name}");
    }
}
