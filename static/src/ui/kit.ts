/** What the module that comes later shares with this one. The build gives it these instead of copies of its own. */
import {first, of, useApp} from "./app";
import {partner} from "../core/store";
import {address} from "../format";
import {called} from "./message";
import {Connection} from "./notes";
import {Chats, People, unread} from "./panel";
import {Out} from "./out";
import {Avatar, Badge, Dot, Empty, Icon, IconButton, Rows} from "./parts";
import {h, useEffect, useRef, useState} from "./vdom";
import {inWords, presenceOf, show, Window} from "./window";

export const kit = {
  first, of, useApp, partner, address, called, Connection, Chats, People, unread, Avatar, Badge, Dot, Empty, Icon,
  IconButton, Rows, h, useEffect, useRef, useState, inWords, presenceOf, show, Window, Out,
};
