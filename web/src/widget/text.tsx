import { useChat } from "./context.ts";
import { pieces, shown } from "./safe.ts";

/** A message as text: addresses of the shop are links, nothing else is anything but characters. */
export function Text({ body }: { body: string }) {
  const { origins } = useChat();
  return (
    <>
      {pieces(shown(body), origins).map((piece) =>
        piece.href ? (
          <a href={piece.href} target="_top" rel="noreferrer">
            {piece.text}
          </a>
        ) : (
          piece.text
        ),
      )}
    </>
  );
}
