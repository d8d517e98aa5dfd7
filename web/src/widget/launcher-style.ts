/** Styles inside the element's shadow root. Colours and places come from custom properties that the shop's page may set.
 *
 * The panel fades in where it stands: Chromium drops presses on a frame of another origin that has moved within the last half second, so
 * that a button pressed right after a panel that slides in would do nothing. */
export const style = `
:host{--_a:var(--staywell-accent,light-dark(#2f5bd7,#86a3ff));--_i:oklch(from var(--_a) clamp(0,(.57 - l)*999,1) 0 0);--_x:var(--staywell-offset-x,20px);--_y:var(--staywell-offset-y,20px);--_p:light-dark(#fff,#171b21);--_l:light-dark(#e3e6eb,#2a303a);--_t:light-dark(#4d5663,#b9c1cc);position:fixed;inset-block-end:0;inset-inline-end:0;z-index:var(--staywell-z,2147483000);color-scheme:light dark;font:14px/1.5 var(--staywell-font,Inter,system-ui,sans-serif)}
:host([hidden]){display:none}
:host([theme=light]){color-scheme:light}
:host([theme=dark]){color-scheme:dark}
*{box-sizing:border-box;margin:0}
button{font:inherit;cursor:pointer;border:0}
.launch{position:fixed;inset-block-end:calc(var(--_y) + env(safe-area-inset-bottom,0px));inset-inline-end:var(--_x);inline-size:56px;block-size:56px;border-radius:50%;background:var(--_a);color:var(--_i);display:grid;place-items:center;box-shadow:0 8px 24px rgb(0 0 0/20%);transition:transform .15s}
:host([side=start]) .launch,:host([side=start]) .panel{inset-inline:var(--_x) auto}
.launch:hover{transform:scale(1.05)}
:focus-visible{outline:3px solid var(--_a);outline-offset:3px}
svg{inline-size:26px;block-size:26px;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.open .talk,.launch:not(.open) .down{display:none}
.badge{position:absolute;inset-block-start:-4px;inset-inline-end:-4px;min-inline-size:22px;block-size:22px;padding:0 6px;border-radius:11px;background:#c22f3d;color:#fff;font-size:12px;font-weight:650;line-height:20px;border:2px solid #fff}
.panel{position:fixed;inset-block-end:calc(var(--_y) + 68px);inset-inline-end:var(--_x);inline-size:min(384px,calc(100vw - 2*var(--_x)));block-size:min(640px,calc(100dvh - var(--_y) - 88px));border-radius:16px;overflow:hidden;background:var(--_p);color:var(--_t);border:1px solid var(--_l);box-shadow:0 12px 40px rgb(0 0 0/20%);display:grid;place-items:center}
[hidden]{display:none!important}
.panel.show{animation:in .18s}
@keyframes in{from{opacity:0}}
iframe{position:absolute;inset:0;inline-size:100%;block-size:100%;border:0;background:transparent;color-scheme:inherit}
.wait{display:grid;gap:12px;justify-items:center;padding:24px;text-align:center}
.spin{inline-size:28px;block-size:28px;border-radius:50%;border:3px solid var(--_l);border-block-start-color:var(--_a);animation:spin .8s linear infinite}
@keyframes spin{to{transform:rotate(1turn)}}
.plain{background:none;color:inherit;text-decoration:underline;padding:8px 12px;border-radius:6px}
.quiet{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:480px),(max-height:480px){
.panel{inset:0!important;inline-size:100%;block-size:var(--_vh,100dvh);border:0;border-radius:0;translate:0 var(--_vt,0px)}
:host([full]) .launch{display:none}
}
@media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}.spin{border-block-start-color:transparent}}
@media print{:host{display:none}}
`;
