//! Draws messages. They keep clear of what [`super::differences`] lists.

use super::draw::Draw;

impl Draw {
    /// A message, now and then none that is a JSON object.
    pub fn body(&mut self, number: usize) -> String {
        if self.happens(6) {
            let text = self.one(&["hello", "[\"Rome\"]", "{\"from\":\"Rome\"", "\"Rome\""]);
            return format!("{text} {number}");
        }
        let mut fields = vec![format!("\"rfq-id\":\"{number}\"")];
        for name in ["from", "to"] {
            if self.happens(80) {
                fields.push(format!("\"{name}\":{}", self.some_text()));
            }
        }
        if self.happens(70) {
            fields.push(format!("\"seats\":{}", self.some_number()));
        }
        if self.happens(60) {
            let value = self.one(&["true", "false", "null", "\"yes\"", "[true,null]"]);
            fields.push(format!("\"flag\":{value}"));
        }
        if self.happens(80) {
            fields.push(self.detail());
        }
        if self.happens(60) {
            fields.push(format!("\"items\":{}", self.items()));
        }
        format!("{{{}}}", fields.join(","))
    }

    /// A value of a key of text: a string, or an array of strings.
    fn some_text(&mut self) -> String {
        match self.below(10) {
            0 | 1 => self.texts(),
            2 => "[]".to_owned(),
            3 => format!("[[{}],{}]", self.text(), self.text()),
            _ => self.text(),
        }
    }

    /// A value of a key of numbers, or a string that is none.
    fn some_number(&mut self) -> String {
        match self.below(10) {
            0 | 1 => "\"many\"".to_owned(),
            2 | 3 => format!("[{},{}]", self.number(), self.number()),
            _ => self.number(),
        }
    }

    fn detail(&mut self) -> String {
        let (state, cost) = (self.some_text(), self.some_number());
        let code = self.some_text();
        match self.below(8) {
            0 => "\"detail\":\"none\"".to_owned(),
            1 => format!("\"detail.state\":{state},\"detail.cost\":{cost}"),
            2 => format!("\"detail\":{{\"state\":{state},\"deep.code\":{code}}}"),
            3 => format!("\"detail\":{{\"state\":{{\"x\":{state}}},\"cost\":{cost}}}"),
            4 => format!("\"detail\":[[{{\"cost\":{cost},\"deep\":{{\"code\":{code}}}}}]]"),
            _ => format!(
                "\"detail\":{{\"state\":{state},\"cost\":{cost},\"deep\":{{\"code\":{code}}}}}"
            ),
        }
    }

    fn items(&mut self) -> String {
        let items: Vec<_> = (0..self.below(4))
            .map(|_| match self.below(4) {
                0 => format!("{{\"sku\":{}}}", self.text()),
                1 => format!("[{{\"count\":{}}}]", self.number()),
                _ => format!("{{\"sku\":{},\"count\":{}}}", self.text(), self.number()),
            })
            .collect();
        format!("[{}]", items.join(","))
    }
}
