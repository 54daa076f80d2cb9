/** The WebSocket transport. */
import type {Opener} from "./transport";
import type {Frame} from "./types";

export const webSocket: Opener = (base, hello, ends) => {
  const socket = new WebSocket(`${base.replace(/^http/, "ws")}/im/v1/ws`, "avchat.v1");
  const send = (frame: Frame): void => socket.send(JSON.stringify(frame));
  socket.onopen = () => send(hello);
  socket.onmessage = ({data}) => ends.frame(JSON.parse(data as string) as Frame);
  socket.onclose = ({code}) => ends.closed(code);
  return {
    send,
    close() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
};
