namespace Alpro.Actors.Distributed.Transport;

/// <summary>A message that may cross from node to node; the serializer of the nodes knows every one of them.</summary>
internal interface IWireMessage;
