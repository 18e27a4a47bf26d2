"""The least a Python gateway can be: grpc.aio, bytes in, bytes out, one instance, nothing else.

What ``gateway_overhead.py`` compares Tidegate with. Usage: bare_proxy.py LISTEN UPSTREAM
"""

from __future__ import annotations

import sys

import grpc
import grpc.aio
import uvloop

SERVICE = "inference.GRPCInferenceService"
READS = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ServerMetadata")
LIMIT = ("grpc.max_receive_message_length", 64 * 1024 * 1024)


async def main(listen: str, upstream: str) -> None:
    server = grpc.aio.server(options=[LIMIT])
    async with grpc.aio.insecure_channel(upstream, options=[LIMIT]) as channel:

        def forward(method: str) -> grpc.RpcMethodHandler:
            call = channel.unary_unary(f"/{SERVICE}/{method}")

            async def handle(message: bytes, _context: object) -> bytes:
                return await call(message, timeout=5)

            return grpc.unary_unary_rpc_method_handler(handle)

        handlers = {method: forward(method) for method in ("ModelInfer", *READS)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_insecure_port(listen)
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2]))
