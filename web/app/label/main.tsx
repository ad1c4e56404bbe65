import { render } from "preact";
import "../shared/style.css";
import "./label.css";
import { Label } from "./label.js";

render(<Label />, document.getElementById("app")!);
